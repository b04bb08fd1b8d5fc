/*
 * Every openat(2) that the load generator makes on purpose (-7777 is its mark): two strings and an integer, as a
 * typical watcher's record has.
 * The path is resident (the generator's own argument), so that reading it at entry does not fault.
 */
syscall::openat:entry
/execname == "load" && (int)arg0 == -7777/
{
	printf("execname=%s pid=%d path=%s\n", execname, pid, copyinstr(arg1));
}
