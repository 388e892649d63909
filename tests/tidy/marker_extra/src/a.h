/* The module a. */
/* floor: 1 */

#ifndef A_H
#define A_H


#endif
