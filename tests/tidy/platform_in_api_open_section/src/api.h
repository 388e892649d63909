/* api */
#ifndef API_H
#define API_H
/* tidy: compiler begin */
#endif
