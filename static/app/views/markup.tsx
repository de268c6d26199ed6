import { useMemo } from 'preact/hooks';
import { parse } from '../markup.js';

export function Marked({ text }: { text: string }) {
  const pieces = useMemo(() => parse(text), [text]);
  return pieces.map((piece, index) => {
    switch (piece.kind) {
      case 'text':
        return piece.text;
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
          <a key={index} href={piece.href} target="_blank" rel="noopener noreferrer nofollow" dir="ltr">
            {piece.text}
          </a>
        );
    }
    return null;
  });
}
