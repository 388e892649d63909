int a;
int b;
