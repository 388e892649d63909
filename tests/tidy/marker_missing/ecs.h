/* x */
/* >>a == src/a.h */
