/* api */
#ifndef API_H
#define API_H
#include "platform.h"
#endif
