if true
	then :; fi 
