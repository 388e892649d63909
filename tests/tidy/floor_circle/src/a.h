/* The module a. */
/* floor: 3 */

#ifndef A_H
#define A_H

#include "b.h"

#endif
