#!/usr/bin/env bash
# Makes a picture with curl alone and follows it live. With npm start running in another terminal:
#   source .local/env.sh && examples/curl/live.sh "a red fox in the snow"
set -euo pipefail

for name in LOCAL_SUPABASE_URL LOCAL_PUBLISHABLE_KEY START_GENERATION_URL; do
  [ -n "${!name:-}" ] || { echo "$name is not set. While npm start runs: source .local/env.sh" >&2; exit 1; }
done

# As a string of JSON has it, on one line.
prompt=$(printf '%s' "${1:-a lighthouse at dawn}" | LC_ALL=C tr '[:cntrl:]' ' ' | sed 's/[\\"]/\\&/g')
# Enough for what is asked of it here; a program of yours parses JSON.
value_of() { grep -o "\"$1\": *\"\{0,1\}[^\",}]*" | head -n 1 | sed 's/.*": *"\{0,1\}//'; }

token=$(curl -sS --fail-with-body "$LOCAL_SUPABASE_URL/auth/v1/signup" \
  -H "apikey: $LOCAL_PUBLISHABLE_KEY" -H 'Content-Type: application/json' \
  -d "{\"email\":\"me-$(date +%s)-$RANDOM@example.com\",\"password\":\"a-long-password\"}" | value_of access_token)

# With the same key it may be sent again after a lost connection: there is one picture all the same.
id=$(curl -sS --fail-with-body --retry 3 "$START_GENERATION_URL/start-generation" \
  -H "Authorization: Bearer $token" -H 'Content-Type: application/json' -H "Idempotency-Key: $(date +%s)-$RANDOM" \
  -d "{\"prompt\":\"$prompt\",\"model_id\":\"black-forest-labs/flux-schnell\"}" | value_of generation_id)

# One line for each change; the connection ends with the generation.
curl -sS --fail-with-body --no-buffer "$START_GENERATION_URL/generations/$id/events" \
  -H "Authorization: Bearer $token" -H 'Accept: text/event-stream' \
  | while read -r line; do
    case $line in
      data:*'"status"'*) echo "$(value_of status <<< "$line") $(value_of progress <<< "$line") %" ;;
    esac
  done

answer=$(curl -sS --fail-with-body "$START_GENERATION_URL/generations/$id" -H "Authorization: Bearer $token")
curl -sS --fail -o picture.webp "$(value_of url <<< "$answer")"
echo picture.webp
