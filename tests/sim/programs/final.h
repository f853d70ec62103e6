/* final.h: the end of a run that was not killed: nothing fails any more, all connections close,
 * and then stock SQLite finds the newest state, no valid journal and a file as long as its header
 * says. The images that were kept are recovered by asyncvfs.
 */
#ifndef SIM_FINAL_H
#define SIM_FINAL_H

void sim_final_checks(void);

#endif
