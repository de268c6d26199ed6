import { computed, signal } from '@preact/signals';
import { ahead, now } from './clock.js';
import { t, tag } from './i18n/index.js';

const zoneNow = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Grows each minute: whatever shows words like "today" and "2 minutes ago" is drawn again with this. */
const minute = signal(0);
/** Formats hold on to the zone that they were made in; whoever travels changes it. */
const zone = signal(zoneNow());
setInterval(() => {
  minute.value++;
  zone.value = zoneNow();
}, 60_000);

// Words are the page's; whether an hour comes after 12 or 13, and a date in numbers, is the browser's.
const formats = computed(() => {
  const { language } = navigator;
  const timeZone = zone.value;
  const { hourCycle = 'h23' } = new Intl.DateTimeFormat(language, { hour: 'numeric' }).resolvedOptions();
  const words = (options: Intl.DateTimeFormatOptions) =>
    new Intl.DateTimeFormat(tag.value, { ...options, timeZone });
  return {
    time: words({ hour: '2-digit', minute: '2-digit', hourCycle }),
    weekday: words({ weekday: 'short' }),
    short: words({ day: 'numeric', month: 'short' }),
    old: new Intl.DateTimeFormat(language, { year: 'numeric', month: 'numeric', day: 'numeric', timeZone }),
    day: words({ weekday: 'long', day: 'numeric', month: 'long' }),
    dayOfYear: words({ day: 'numeric', month: 'long', year: 'numeric' }),
    full: words({ dateStyle: 'full', timeStyle: 'medium', hourCycle }),
    list: new Intl.ListFormat(tag.value),
    relative: new Intl.RelativeTimeFormat(tag.value, { numeric: 'auto' }),
  };
});

const dayLength = 86_400_000;

/** The moment by the server's clock, as of the last minute or of its last correction. */
export const present = computed(() => {
  minute.value;
  ahead.value;
  return now();
});
const thisYear = (date: Date): boolean => date.getFullYear() === new Date(present.value).getFullYear();

/** Midnight before a moment, as a number: two moments of one day have the same. */
export function dayOf(moment: string): number {
  return new Date(moment).setHours(0, 0, 0, 0);
}

function daysAgo(moment: string): number {
  return Math.round((new Date(present.value).setHours(0, 0, 0, 0) - dayOf(moment)) / dayLength);
}

export const clock = (moment: string): string => formats.value.time.format(new Date(moment));
/** Several in one sentence. */
export const listed = (names: readonly string[]): string => formats.value.list.format(names);
export const exact = (moment: string): string => formats.value.full.format(new Date(moment));

/** For the list: as short as it can be. */
export function brief(moment: string): string {
  const days = daysAgo(moment);
  const date = new Date(moment);
  if (days <= 0) return formats.value.time.format(date);
  if (days < 7) return formats.value.weekday.format(date);
  return (thisYear(date) ? formats.value.short : formats.value.old).format(date);
}

/** For the line between two days. */
export function dayName(day: number): string {
  const moment = new Date(day).toISOString();
  const days = daysAgo(moment);
  if (days === 0) return t('today');
  if (days === 1) return t('yesterday');
  const date = new Date(day);
  return (thisYear(date) ? formats.value.day : formats.value.dayOfYear).format(date);
}

export function ago(moment: string): string {
  const minutes = Math.floor((Math.max(present.value, now()) - Date.parse(moment)) / 60_000);
  const { relative } = formats.value;
  if (minutes < 60) return relative.format(-Math.max(minutes, 0), 'minute');
  if (minutes < 24 * 60) return relative.format(-Math.floor(minutes / 60), 'hour');
  return minutes < 30 * 24 * 60
    ? relative.format(-Math.floor(minutes / 60 / 24), 'day')
    : formats.value.old.format(new Date(moment));
}
