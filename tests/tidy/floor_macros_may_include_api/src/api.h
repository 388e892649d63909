/* The module api. */
/* floor: 0 */

#ifndef API_H
#define API_H

#include "macros.h"

#endif
