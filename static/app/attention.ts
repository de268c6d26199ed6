import { signal } from '@preact/signals';

const looks = () => document.visibilityState === 'visible' && document.hasFocus();

/** Whether somebody looks at this page now. Only then is anything "read". */
export const attentive = signal(looks());

const update = () => {
  attentive.value = looks();
};
document.addEventListener('visibilitychange', update);
addEventListener('focus', update);
addEventListener('blur', update);
addEventListener('pageshow', update);
