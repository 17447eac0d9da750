import { type Call, type Effect, inList, PICTURE, QUIET, REST, ROW, type Story } from '../call.ts';

/** Where pictures are shown, marked and deleted; and what the apps keep beside them. */

const mark = (to: string, body: object, after: Effect): Call => ({
  to,
  method: 'PATCH',
  path: `${REST}/images?id=eq.{image}`,
  prefer: QUIET,
  body,
  after,
});

export const GALLERY: Story[] = [
  {
    name: 'both apps: the gallery',
    scene: 'a completed generation',
    calls: [
      {
        to: 'see the pictures',
        method: 'GET',
        path: `${REST}/images?select=*&user_id=eq.{user}&archived_at=is.null&order=created_at.desc&offset=0&limit=20`,
        reads: inList(PICTURE),
      },
      mark('make it a favourite', { is_favorite: true }, 'the image is a favourite'),
      {
        to: 'see the favourites',
        method: 'GET',
        path: `${REST}/images?select=*&user_id=eq.{user}&is_favorite=eq.true&order=created_at.desc`,
        reads: inList(PICTURE),
      },
      mark('show it to everybody', { is_public: true }, 'the image is public'),
      {
        to: 'see what everybody shows',
        method: 'GET',
        path: `${REST}/images?select=*&is_public=eq.true&order=created_at.desc&limit=20`,
        reads: inList(PICTURE),
      },
      {
        to: 'open the file',
        method: 'GET',
        path: '/storage/v1/object/public/generated-images/{image.path}',
      },
      mark(
        'put it into the archive',
        { archived_at: '2025-11-01T00:00:00.000Z' },
        'the image is in the archive',
      ),
      {
        to: 'see the archive',
        method: 'GET',
        path: `${REST}/images?select=*&user_id=eq.{user}&archived_at=not.is.null&order=archived_at.desc`,
        reads: inList(PICTURE),
      },
      mark('take it out of the archive', { archived_at: null }, 'the image is out of the archive'),
    ],
  },
  {
    name: 'both apps: delete a picture',
    scene: 'a completed generation',
    calls: [
      {
        to: 'delete its file',
        method: 'DELETE',
        path: '/storage/v1/object/generated-images',
        body: { prefixes: ['{image.path}'] },
        reads: { '[0].name': 'text' },
        after: 'the file is gone',
      },
      {
        to: 'delete its row',
        method: 'DELETE',
        path: `${REST}/images?id=eq.{image}`,
        prefer: QUIET,
        after: 'the image is gone',
      },
    ],
  },
  {
    name: 'mobile: delete a generation',
    scene: 'a completed generation',
    calls: [
      {
        to: 'delete it',
        method: 'DELETE',
        path: `${REST}/image_generations?id=eq.{generation}`,
        prefer: QUIET,
        after: 'the generation is gone',
      },
    ],
  },
  {
    name: 'mobile: the history',
    scene: 'a completed generation',
    calls: [
      {
        to: 'see what was made',
        method: 'GET',
        path: `${REST}/image_generations?select=*,images(*)&order=created_at.desc&limit=20`,
        reads: inList({ id: 'uuid', status: 'text', prompt: 'text' }),
      },
      {
        to: 'see the pictures beside',
        method: 'GET',
        path: `${REST}/image_generations?select=*,images(*)&order=created_at.desc&limit=20`,
        reads: inList({ images: 'list', 'images[0].public_url': 'url' }),
      },
    ],
  },
];

const add = (to: string, path: string, body: object, keeps?: Record<string, string>): Call => ({
  to,
  method: 'POST',
  path: `${REST}/${path}?select=*`,
  prefer: ROW,
  single: true,
  body,
  reads: { id: 'uuid' },
  ...(keeps && { keeps }),
});

/** Tables and functions that `supabase/optional/original-apps.sql` brings to a fresh project. */
export const APART: Story[] = [
  {
    name: 'both apps: tags and likes',
    scene: 'a completed generation',
    calls: [
      add('make a tag', 'tags', { name: 'night', color: '#223' }, { tag: 'id' }),
      {
        to: 'see the tags',
        method: 'GET',
        path: `${REST}/tags?select=*&order=name.asc`,
        reads: inList({ id: 'uuid', name: 'text', color: 'text?' }),
      },
      add('tag a picture', 'image_tags', { image_id: '{image}', tag_id: '{tag}' }),
      {
        to: 'see a picture’s tags',
        method: 'GET',
        path: `${REST}/image_tags?select=tags(*)&image_id=eq.{image}`,
        reads: inList({ 'tags.name': 'text' }),
      },
      {
        to: 'take a tag off',
        method: 'DELETE',
        path: `${REST}/image_tags?image_id=eq.{image}&tag_id=eq.{tag}`,
        prefer: QUIET,
        after: 'the image has no tag',
      },
      add('like a picture', 'image_likes', { image_id: '{image}', user_id: '{user}' }),
      {
        to: 'like it no longer',
        method: 'DELETE',
        path: `${REST}/image_likes?image_id=eq.{image}&user_id=eq.{user}`,
        prefer: QUIET,
        after: 'nobody likes the image',
      },
    ],
  },
  {
    name: 'both apps: boards, limits',
    scene: 'a completed generation',
    calls: [
      add('make a board', 'boards', { user_id: '{user}', name: 'Ideas' }, { board: 'id' }),
      add('put a picture on it', 'board_items', { board_id: '{board}', image_id: '{image}' }),
      {
        to: 'see what is on it',
        method: 'GET',
        path: `${REST}/board_items?select=*,images(*)&board_id=eq.{board}`,
        reads: inList({ 'images.public_url': 'url', position_x: 'number', z_index: 'number' }),
      },
      {
        to: 'see the boards',
        method: 'POST',
        path: `${REST}/rpc/get_boards_with_counts`,
        body: { p_user_id: '{user}' },
        reads: inList({ id: 'uuid', name: 'text', item_count: 'number' }),
      },
      {
        to: 'see one’s limits',
        method: 'POST',
        path: `${REST}/rpc/get_user_limits`,
        body: { p_user_id: '{user}' },
        reads: { daily_used: 'number', daily_limit: 'number', can_generate: 'boolean' },
      },
    ],
  },
  {
    name: 'web: put a picture of one’s own into the gallery',
    scene: 'nothing',
    calls: [
      {
        to: 'store the file',
        method: 'POST',
        path: '/storage/v1/object/user-uploads/{user}/cat.png',
        body: 'bytes',
        reads: { Key: 'text' },
      },
      add('list it in the gallery', 'images', {
        user_id: '{user}',
        filename: 'cat.png',
        storage_path: '{user}/cat.png',
        public_url: 'https://project.example/storage/v1/object/public/user-uploads/{user}/cat.png',
        prompt: 'Uploaded',
      }),
    ],
  },
];
