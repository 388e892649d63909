/* The module b. */
/* floor: 2 */

#ifndef B_H
#define B_H


#endif
