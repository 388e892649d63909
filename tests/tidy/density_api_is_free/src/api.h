/* api */
#ifndef API_H
#define API_H
static int ecsi_b(int a)
{
    a++;
    a++;
    a++;
    return a;
}
#endif
