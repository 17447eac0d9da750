/**
 * The HTTP interface in types. Names are those on the wire, so that what docs/reference/http.md says is what you
 * write. They come from the server's own description of itself, by way of openapi.ts; here is what TypeScript
 * can say better.
 */
import type { ListQuery, NamedImage, ProblemCode, Problem as ProblemToday, StartRequest } from './openapi.ts';
import type { SourceFile } from './source.ts';

export type {
  Adjustment,
  Cancelled,
  GeneratedImage,
  Generation,
  GenerationError,
  GenerationPage,
  LiveGeneration,
  LiveMessage,
  LiveReady,
  LiveResume,
  Model,
  NamedImage,
  Operation,
  Priority,
  ProblemCode,
  Range,
  SideLimits,
  Source,
  SourceImage,
  Started,
  StartedGeneration,
  Status,
  Urls,
  WebhookEvent,
} from './openapi.ts';

type Given<K extends keyof StartRequest> = Required<Pick<StartRequest, K>>;

/** The body of a start: one prompt, the same prompt several times, or up to ten prompts. */
export type StartBody = Omit<StartRequest, 'prompt' | 'prompts' | 'num_images'> &
  (
    | (Given<'prompt'> & Pick<StartRequest, 'num_images'> & { prompts?: never })
    | (Given<'prompts'> & { prompt?: never; num_images?: never })
  );

/** `T`, with a file as good as the id of its upload. */
export type WithFiles<T> = {
  [K in keyof T]: K extends 'source_id'
    ? T[K] | SourceFile
    : K extends 'mask'
      ? T[K] | ImageOrFile
      : K extends 'sources'
        ? ImageOrFile[] | Extract<T[K], null>
        : T[K];
};

type ImageOrFile = NamedImage | SourceFile;

/** What is asked for: a body of a start, in which `source_id`, `mask` and each of `sources` may be the file itself. The client uploads it. */
export type GenerateParams = WithFiles<StartBody>;

/** Which of the user's generations are wanted. */
export type ListParams = Omit<ListQuery, 'user_id'>;

/** RFC 9457 problem details, as every refusal has them. */
export type Problem = Omit<ProblemToday, 'code'> & {
  /** Stable: branch on this. A later server may have more of them. */
  code: ProblemCode | (string & {});
};
