import { type Event, namedIn } from './events.js';
import { listed } from './format.js';
import { t } from './i18n/index.js';

/**
 * What was done, as a sentence.
 * @param nameOf what somebody is called
 */
export function eventText(event: Event, from: number, me: number, nameOf: (id: number) => string): string {
  const { action, user_ids: ids = [], title, topic } = event;
  const who = from === me ? t('me') : nameOf(from);
  const named = namedIn(event).map((id) => (id === me ? t('youObject') : nameOf(id)));
  if (named.length < ids.length) named.push(t('event.others', { n: ids.length - named.length }));
  const whom = listed(named);
  switch (action) {
    case 'made':
    case 'renamed':
      return t(title ? `event.${action}` : `event.${action}.untitled`, { who, title: title ?? '' });
    case 'topic':
      if (topic === '') return t('event.topic.none', { who });
      return t(topic ? 'event.topic' : 'event.topic.untold', { who, topic: topic ?? '' });
    case 'added':
    case 'removed':
      return t(`event.${action}`, { who, whom });
    case 'joined':
    case 'left':
      return t(`event.${action}`, { who });
    case 'role':
      return event.role ? t(`event.role.${event.role}`, { who, whom }) : '';
    case 'posting':
      return event.posting ? t(`event.posting.${event.posting}`, { who }) : '';
    case 'history':
      return event.history ? t(`event.history.${event.history}`, { who }) : '';
    default:
      return '';
  }
}
