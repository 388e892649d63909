/* api */
#ifndef API_H
#define API_H
/* tidy: compiler begin */
#if defined(__GNUC__)
#endif
/* tidy: compiler end */
int ecs_f(int a);
#endif
