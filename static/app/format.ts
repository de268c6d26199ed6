import { computed, signal } from '@preact/signals';
import { t, tag } from './i18n/index.js';

const formats = computed(() => ({
  time: new Intl.DateTimeFormat(tag.value, { hour: '2-digit', minute: '2-digit' }),
  weekday: new Intl.DateTimeFormat(tag.value, { weekday: 'short' }),
  short: new Intl.DateTimeFormat(tag.value, { day: 'numeric', month: 'short' }),
  old: new Intl.DateTimeFormat(tag.value, { year: 'numeric', month: 'numeric', day: 'numeric' }),
  day: new Intl.DateTimeFormat(tag.value, { weekday: 'long', day: 'numeric', month: 'long' }),
  dayOfYear: new Intl.DateTimeFormat(tag.value, { day: 'numeric', month: 'long', year: 'numeric' }),
  full: new Intl.DateTimeFormat(tag.value, { dateStyle: 'full', timeStyle: 'medium' }),
  relative: new Intl.RelativeTimeFormat(tag.value, { numeric: 'auto' }),
}));

const dayLength = 86_400_000;

/** Words like "today" and "2 minutes ago" turn wrong by themselves: whatever shows them is drawn again with this. */
const now = signal(Date.now());
setInterval(() => {
  now.value = Date.now();
}, 60_000);

/** Midnight before a moment, as a number: two moments of one day have the same. */
export function dayOf(moment: string): number {
  return new Date(moment).setHours(0, 0, 0, 0);
}

function daysAgo(moment: string): number {
  return Math.round((new Date(now.value).setHours(0, 0, 0, 0) - dayOf(moment)) / dayLength);
}

export const clock = (moment: string): string => formats.value.time.format(new Date(moment));
export const exact = (moment: string): string => formats.value.full.format(new Date(moment));

/** For the list: as short as it can be. */
export function brief(moment: string): string {
  const days = daysAgo(moment);
  const date = new Date(moment);
  if (days <= 0) return formats.value.time.format(date);
  if (days < 7) return formats.value.weekday.format(date);
  return (days < 300 ? formats.value.short : formats.value.old).format(date);
}

/** For the line between two days. */
export function dayName(day: number): string {
  const moment = new Date(day).toISOString();
  const days = daysAgo(moment);
  if (days === 0) return t('today');
  if (days === 1) return t('yesterday');
  return (days < 300 ? formats.value.day : formats.value.dayOfYear).format(new Date(day));
}

export function ago(moment: string): string {
  const minutes = Math.floor((Math.max(now.value, Date.now()) - Date.parse(moment)) / 60_000);
  const { relative } = formats.value;
  if (minutes < 60) return relative.format(-Math.max(minutes, 0), 'minute');
  if (minutes < 24 * 60) return relative.format(-Math.floor(minutes / 60), 'hour');
  return minutes < 30 * 24 * 60
    ? relative.format(-Math.floor(minutes / 60 / 24), 'day')
    : formats.value.old.format(new Date(moment));
}
