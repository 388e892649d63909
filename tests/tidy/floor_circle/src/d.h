/* The module d. */
/* floor: 3 */

#ifndef D_H
#define D_H

#include "a.h"

#endif
