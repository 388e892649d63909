/* manifest */
#include "odd.h"
