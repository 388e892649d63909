/* api */
#ifndef API_H
#define API_H
int ecs_a(int a);
static int ecsi_b(int a);
typedef int (*ecsi_f)(int a);
struct s {
    int (*ecsi_g)(int a);
};
#endif
