/* x */
/* search for >>a or >>b */
/* >>a == src/a.h */
/* >>b == src/b.h */
