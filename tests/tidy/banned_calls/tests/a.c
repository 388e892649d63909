static void f(void)
{
    strcpy(a, b);
    strcat(a, b);
    sprintf(a, b);
    gets(a);
    strtok(a, b);
    alloca(1);
    rand();
    srand(1);
    time(0);
    setjmp(j);
    longjmp(j, 1);
    system(a);
    atoi(a);
}
