import { now } from '../clock.js';
import { clock, dayName, dayOf, present } from '../format.js';
import { type Key, t } from '../i18n/later.js';
import { isMuted } from '../own.js';

/** As far as a date goes that everybody can read. */
const forEver = 253_402_300_799_000;
const hour = 3_600_000;
/** When a day begins for whoever wants quiet until tomorrow. */
const morning = 8;

function tomorrow(): number {
  const date = new Date(now());
  date.setDate(date.getDate() + 1);
  return date.setHours(morning, 0, 0, 0);
}

const choices: readonly (readonly [Key, () => number])[] = [
  ['mute.hour', () => now() + hour],
  ['mute.hours', () => now() + 8 * hour],
  ['mute.tomorrow', tomorrow],
  ['mute.always', () => forEver],
];

interface MuteProps {
  legend: string;
  until: number | null;
  onChoose: (until: number | null) => void;
}

/** Quiet for a while: until when it is, or for how long it could be. */
export function Mute({ legend, until, onChoose }: MuteProps) {
  return (
    <fieldset class="mute">
      <legend>{legend}</legend>
      {until !== null && isMuted(until, present.value) ? (
        <p class="note quiet">
          <span role="status">
            {until >= forEver ? t('mutedAlways') : t('mutedUntil', { when: moment(until) })}
          </span>
          <button type="button" class="plain" onClick={() => onChoose(null)}>
            {t('unmute')}
          </button>
        </p>
      ) : (
        <div class="several">
          {choices.map(([label, end]) => (
            <button key={label} type="button" class="plain" onClick={() => onChoose(end())}>
              {t(label)}
            </button>
          ))}
        </div>
      )}
    </fieldset>
  );
}

/** The time, and the day where it is another one. */
function moment(until: number): string {
  const text = new Date(until).toISOString();
  const day = dayOf(text);
  return day === dayOf(new Date(now()).toISOString()) ? clock(text) : `${dayName(day)}, ${clock(text)}`;
}
