// Drawn here, 24 by 24, so that no icon font or picture has to be fetched.
const paths = {
  back: 'M15 5l-7 7 7 7',
  close: 'M6 6l12 12M18 6L6 18',
  down: 'M6 9l6 6 6-6',
  send: 'M4 12l16-8-6 16-3-7z',
  search: 'M11 4a7 7 0 1 1 0 14 7 7 0 0 1 0-14zM16 16l4 4',
  menu: 'M4 7h16M4 12h16M4 17h16',
  clock: 'M12 4a8 8 0 1 1 0 16 8 8 0 0 1 0-16zM12 8v4l3 2',
  check: 'M5 12.500l4.500 4.500L19 7.500',
  checks: 'M1.500 12.500L6 17l9.500-9.500M11 15.500l1.500 1.500L22 7.500',
  seen: 'M12 2.500a9.500 9.500 0 1 1 0 19a9.500 9.500 0 0 1 0-19z|M7.500 12.300l3.200 3.200L16.800 9',
  write: 'M4 20l1-4L16 5l3 3L8 19zM13.500 7.500l3 3',
  more: 'M5 12h.01M12 12h.01M19 12h.01',
  reply: 'M10 5L4 11l6 6M4 11h9a7 7 0 0 1 7 7',
  trash: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.500 11v5M13.500 11v5',
  smile: 'M12 4a8 8 0 1 1 0 16 8 8 0 0 1 0-16zM9 10h.01M15 10h.01M8.500 14a4 4 0 0 0 7 0',
  plus: 'M12 5v14M5 12h14',
  link: 'M10 14a4 4 0 0 1 0-6l3-3a4 4 0 0 1 6 6l-1.500 1.500M14 10a4 4 0 0 1 0 6l-3 3a4 4 0 0 1-6-6l1.500-1.500',
  star: 'M12 4l2.500 5 5.500.8-4 3.900 1 5.500-5-2.700-5 2.700 1-5.500-4-3.900 5.500-.8z',
  list: 'M9 6h11M9 12h11M9 18h11M4 6h.01M4 12h.01M4 18h.01',
  tick: 'M4 6h7v7H4zM5.500 9.500l1.500 1.500 3-3M14 7h6M14 12h6M4 18h16',
  copy: 'M9 9h10v11H9zM15 9V4H5v11h4',
  alert: 'M12 4a8 8 0 1 1 0 16 8 8 0 0 1 0-16zM12 8v5M12 16v.2',
  eye: 'M2.500 12S6 5.500 12 5.500 21.500 12 21.500 12 18 18.500 12 18.500 2.500 12 2.500 12zM12 9.500a2.500 2.500 0 1 1 0 5 2.500 2.500 0 0 1 0-5z',
  eyeOff:
    'M4 4l16 16M9.500 5.800A9.500 9.500 0 0 1 12 5.500c6 0 9.500 6.500 9.500 6.500a17 17 0 0 1-3 3.700M6.500 7.500A16 16 0 0 0 2.500 12S6 18.500 12 18.500c1.700 0 3.200-.5 4.500-1.200',
  dot: 'M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8z',
  pin: 'M9 4h6l-1 7 3 3H7l3-3zM12 14v6',
  quiet: 'M6 16V11a6 6 0 0 1 9-5.200M18 11v5M4 17h16M10 20h4M4 4l16 16',
  group:
    'M9 5a3 3 0 1 1 0 6 3 3 0 0 1 0-6zM3 19c0-3 2.700-5 6-5s6 2 6 5M15.500 5.500a3 3 0 0 1 0 5.500M18 19c0-2-.6-3.500-1.700-4.500',
  channel: 'M10 4L8 20M16 4l-2 16M4.500 9h15M4 15h15',
  chats:
    'M12 4c5 0 9 3.200 9 7.300s-4 7.200-9 7.200c-1 0-2-.1-2.900-.4L4.500 20l1-3.600C4 15.100 3 13.300 3 11.300 3 7.200 7 4 12 4z',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name, class: className = '' }: { name: IconName; class?: string }) {
  return (
    <svg class={`icon ${className}`} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {paths[name].split('|').map((path) => (
        <path key={path} d={path} />
      ))}
    </svg>
  );
}
