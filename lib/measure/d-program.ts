/**
 * The D programs of a measurement: one that knows which processes belong to a run, one for each piece of what is measured, the user's own, and
 * one that comes last.
 *
 * A run is told to the program by two marks (`Consumer.mark`). The command's first process is waited for until its exec succeeds, so that
 * what starts it isn't measured; from then on each fork adds a process. Processes are known by the number of the run: what is left of an
 * earlier run is not counted in a later one.
 */
import { PIECES, type Piece, type Section } from './sections.js'

/** The first number of a mark. */
export const Mark = { awaitExec: 1, processNow: 2, end: 3 } as const

const marked = (kind: number): string => `syscall::prctl:entry
/pid == $pid && arg0 == 0x44545243 && arg1 == ${kind}/`

export const FIRST = `
uint64_t measure_tree[uint64_t];
uint64_t measure_run;
uint64_t measure_armed;
uint64_t measure_beginning;

inline int measured = measure_run != 0 && measure_tree[(uint64_t)pid] == measure_run;

${marked(Mark.awaitExec)}
{
	measure_armed = arg2;
	measure_run = arg3;
}

${marked(Mark.processNow)}
{
	measure_tree[(uint64_t)arg2] = arg3;
	measure_run = arg3;
}

${marked(Mark.end)}
{
	measure_armed = 0;
	measure_run = 0;
}

rawtp:sched::sched_process_exec
/measure_armed != 0 && measure_armed == pid/
{
	measure_tree[(uint64_t)pid] = measure_run;
	measure_armed = 0;
	measure_beginning = 1;
	@measure_base["began"] = count();
}

rawtp:sched::sched_process_fork
/measured/
{
	measure_tree[(uint64_t)((struct task_struct *)arg1)->tgid] = measure_run;
	@measure_base[((struct task_struct *)arg1)->tgid == ((struct task_struct *)arg1)->pid ? "forks" : "threads"] = count();
}
`

/** Whatever is measured when something begins or ends has been measured by then. A process that has gone is no longer one of the run. */
export const LAST = `
rawtp:sched::sched_process_exec
/measure_beginning/
{
	measure_beginning = 0;
}

rawtp:sched::sched_process_exit
/measured && curthread->signal->live.counter == 0/
{
	@measure_base["exits"] = count();
	measure_tree[(uint64_t)pid] = (uint64_t)-1;
}
`

/**
 * The most memory that a process had: hiwater_rss of its mm, or what it has at its end (get_mm_hiwater_rss() of the kernel's include/linux/mm.h).
 * `signal->maxrss`, which getrusage(2) gives, has also what the process was forked from: Node, a hundred megabytes. Since Linux 6.2
 * the counters are percpu_counters, whose total lags behind by some pages for each CPU; since 6.16 the mm is still there at the tracepoint.
 */
export const MEMORY: Omit<Piece, 'section'> = {
  optional: 'how much memory processes had',
  source: `
rawtp:sched::sched_process_exit
/measured && curthread->signal->live.counter == 0 && curthread->mm != NULL/
{
	@measure_rss_peak = max((int64_t)curthread->mm->hiwater_rss);
	@measure_rss_end = max(curthread->mm->rss_stat[0].count + curthread->mm->rss_stat[1].count +
	    curthread->mm->rss_stat[3].count);
}
`,
}

export function piecesFor(sections: ReadonlySet<Section>): Piece[] {
  return PIECES.filter(({ section }) => sections.has(section))
}
