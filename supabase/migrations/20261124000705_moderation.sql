-- What no prompt may ask for ------------------------------------------------------------------------------------------
--
-- Operators keep the list in private.refused_words. A start reads it as one expression, from a row that it reads
-- anyway: without a list it costs nothing.

-- A row of the list as a regular expression. Letters, digits and _ beside a word make it another word.
create function private.word_pattern(p_word private.refused_words) returns text
language sql immutable
return case
  when p_word.is_pattern then '(?:' || p_word.word || ')'
  else '(?<!\w)' || regexp_replace(btrim(p_word.word), '([^\w\s])', '\\\1', 'g') || '(?!\w)'
end;

create function private.after_refused_words() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  v_word private.refused_words;
  v_all text;
begin
  for v_word in select * from private.refused_words loop
    if v_word.is_pattern and v_word.word ~ '\\[1-9]' then
      raise exception 'The pattern % has a back reference, which takes too long to look for', v_word.word;
    end if;
    begin
      if '' ~* private.word_pattern(v_word) then
        raise exception 'The pattern % fits every prompt', v_word.word;
      end if;
    exception when invalid_regular_expression then
      raise exception 'The pattern % cannot be read: %', v_word.word, sqlerrm;
    end;
  end loop;
  v_all := (select string_agg(private.word_pattern(w), '|' order by w.word) from private.refused_words as w);
  if length(v_all) > 20000 then
    raise exception 'The list has become too long: 20,000 characters in all';
  end if;
  begin
    perform '' ~* v_all;
  exception when invalid_regular_expression then
    raise exception 'All together they cannot be looked for: %. Make the patterns simpler', sqlerrm;
  end;
  update private.settings set refused_prompts = v_all where only_row;
  return null;
end
$$;
create trigger refused_words_after_change after insert or update or delete or truncate on private.refused_words
for each statement execute function private.after_refused_words();

-- Refuses a request with a prompt that has something of the list in it, and says what of it the operators want said.
create function private.check_prompts(p_items jsonb, p_pattern text) returns void
language plpgsql set search_path = '' as $$
declare
  v_prompt text;
begin
  select item ->> 'prompt' into v_prompt
  from jsonb_array_elements(p_items) as t (item) where item ->> 'prompt' ~* p_pattern limit 1;
  if not found then
    return;
  end if;
  perform private.refuse(422, 'content_flagged', coalesce(
    (
      select w.message from private.refused_words as w
      where v_prompt ~* private.word_pattern(w) order by w.message is null, w.word limit 1
    ),
    'This prompt asks for something that is not made here. Please change it.'
  ));
end
$$;
