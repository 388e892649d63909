/* The module a. */
/* floor: 3 */

#ifndef A_H
#define A_H

/* tidy: compiler begin */
#ifdef _WIN32
#endif
/* tidy: compiler end */

#endif
