import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import { parse } from '../markup.js';
import { mentionsIn, type Named } from '../mentions.js';

interface MarkedProps {
  text: string;
  /** Whom it mentions. */
  names?: readonly Named[];
  /** Whose page it is: who is mentioned sees that. */
  me?: number;
}

export function Marked({ text, names = [], me }: MarkedProps) {
  const pieces = useMemo(() => parse(text), [text]);
  return pieces.map((piece, index) => {
    switch (piece.kind) {
      case 'text':
        return names.length > 0 ? mentions(piece.text, names, me) : piece.text;
      case 'code':
        return <code key={index}>{piece.text}</code>;
      case 'block':
        return (
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a long line of code scrolls sideways
          <pre key={index} tabIndex={0}>
            <code>{piece.text}</code>
          </pre>
        );
      case 'link':
        return (
          <a
            key={index}
            href={piece.href}
            // A message of ours opens here.
            target={piece.href.startsWith(`${location.origin}/#/`) ? undefined : '_blank'}
            rel="noopener noreferrer nofollow"
            dir="ltr"
          >
            {piece.text}
          </a>
        );
    }
    return null;
  });
}

function mentions(text: string, names: readonly Named[], me: number | undefined): ComponentChildren[] {
  const parts: ComponentChildren[] = [];
  let from = 0;
  for (const { id, at, end } of mentionsIn(text, names)) {
    const name = <bdi>{text.slice(at, end)}</bdi>;
    const concerns = id === me || id === 0;
    parts.push(
      text.slice(from, at),
      concerns ? <mark class="mention">{name}</mark> : <b class="mention">{name}</b>,
    );
    from = end;
  }
  return [...parts, text.slice(from)];
}
