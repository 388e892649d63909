/* The module macros. */
/* floor: 0 */

#ifndef MACROS_H
#define MACROS_H

#include "api.h"

#endif
