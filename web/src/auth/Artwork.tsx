/** Three pictures in a queue: one done, one coming into being, one still to come. */
export function Artwork() {
  return (
    <svg className="artwork" viewBox="0 0 480 400" aria-hidden="true" focusable="false">
      <defs>
        <linearGradient id="art-sky" x1="0" y1="0" x2="0" y2="1">
          <stop offset="0" stopColor="#f7d9a8" />
          <stop offset="0.550" stopColor="#f0a582" />
          <stop offset="1" stopColor="#d9745f" />
        </linearGradient>
        <linearGradient id="art-night" x1="0" y1="0" x2="0" y2="1">
          <stop offset="0" stopColor="#27515c" />
          <stop offset="1" stopColor="#79a69b" />
        </linearGradient>
        <clipPath id="art-front">
          <rect x="40" y="112" width="256" height="256" rx="28" />
        </clipPath>
        <clipPath id="art-middle">
          <rect x="128" y="68" width="224" height="224" rx="26" />
        </clipPath>
      </defs>
      <rect className="art-next" x="214" y="30" width="196" height="196" rx="24" />
      <g clipPath="url(#art-middle)">
        <rect x="128" y="68" width="224" height="224" fill="url(#art-night)" />
        <circle cx="304" cy="112" r="17" fill="#f4e9cf" />
        <path d="M128 230q60-70 120-20t104-40v122H128Z" fill="#1c3d45" opacity="0.800" />
        <rect className="art-veil" x="128" y="68" width="224" height="224" />
      </g>
      <rect className="art-edge" x="128" y="68" width="224" height="224" rx="26" />
      <g clipPath="url(#art-front)">
        <rect x="40" y="112" width="256" height="256" fill="url(#art-sky)" />
        <circle cx="206" cy="206" r="34" fill="#fdf0cf" />
        <path d="M40 276q54-58 112-22t144-30v144H40Z" fill="#b5564f" />
        <path d="M40 306q70-52 138-14t118-18v94H40Z" fill="#7c3c48" />
        <path d="M40 340q60-38 130-14t126-10v52H40Z" fill="#432a3b" />
        <path d="M70 330v-44l7-9 7 9v44Z" fill="#f5ead6" />
        <path d="M70 296h14v8H70z" fill="#d9745f" />
      </g>
      <rect className="art-edge front" x="40" y="112" width="256" height="256" rx="28" />
    </svg>
  );
}
