/* The module b. */
/* floor: 3 */

#ifndef B_H
#define B_H


#endif
