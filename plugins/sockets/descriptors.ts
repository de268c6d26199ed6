import { readFileSync } from 'node:fs';

/** How many descriptors this process may have open; Infinity where there is no limit or nobody says. */
export function descriptorLimit(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'latin1');
    return Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
  } catch {
    // Not Linux: the report knows, and takes some milliseconds to be made.
    const limit = Object(process.report.getReport()).userLimits?.open_files?.soft;
    return typeof limit === 'number' ? limit : Number.POSITIVE_INFINITY;
  }
}
