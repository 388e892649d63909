/* >>b == src/b.h */
/* >>a == src/a.h */
