#!/bin/sh
# Makes what docker-compose.yml needs and no repository may hold: passwords, the key of the tokens, a caller's key, and a certificate
# authority of this stack's own, all under ops/compose/secrets. Keeps every file that is there already, so it may be run again.
# Needs openssl. A database keeps the password it was made with: `docker compose down --volumes` before new ones are made.
set -eu
umask 077
cd "$(dirname "$0")"
# Nobody else on this host enters the folder. The files in it are readable because Compose mounts each of them as it is
# (uid, gid and mode of a secret are for Swarm only), and containers run as accounts of their own.
mkdir -p secrets
cd secrets
keep() {
  if [ -e "$1" ]; then cat > /dev/null; else
    cat > "$1.part"
    chmod 644 "$1.part"
    mv "$1.part" "$1"
    echo "made ops/compose/secrets/$1"
  fi
}
random() { openssl rand -hex 24; }

for name in postgres-password mongodb-password grafana-password caller-key; do random | tr -d '\n' | keep "$name"; done

keep callers.json << END
{ "callers": [{ "name": "first-caller", "key_sha256": "$(openssl dgst -sha256 -r < caller-key | cut -d ' ' -f 1)", "workspaces": ["*"], "roles": ["connect", "publish", "read"] }] }
END

keep s3.env << END
ROOT_ACCESS_KEY_ID=$(random)
ROOT_SECRET_ACCESS_KEY=$(random)
END

keep connector.env << END
DATABASE_URL=postgres://glowtify:$(cat postgres-password)@postgres:5432/glowtify
AGENDA_MONGODB_URL=mongodb://glowtify:$(cat mongodb-password)@mongodb:27017/agenda?authSource=admin
TOKEN_KEYS=first:$(openssl rand -base64 32)
$(sed 's/^ROOT_/AWS_/' s3.env)
END

# An app of the sandbox. For TikTok itself put your app's TIKTOK_CLIENT_KEY and TIKTOK_CLIENT_SECRET here, and no other line.
keep sandbox.env << END
SANDBOX_CLIENT_KEY=sb$(openssl rand -hex 8)
SANDBOX_CLIENT_SECRET=$(random)
END
keep tiktok.env << END
$(sed 's/^SANDBOX_/TIKTOK_/' sandbox.env)
TIKTOK_OPEN_API_URL=https://edge:8444
TIKTOK_UPLOAD_ORIGINS=https://edge:8444
TIKTOK_AUTHORIZE_URL=http://127.0.0.1:8090/v2/auth/authorize/
END

if [ ! -e tls.crt ]; then
  made=$(mktemp -d)
  curve='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
  openssl req -x509 $curve -days 3650 -subj '/CN=tiktok-connector compose' -addext keyUsage=critical,keyCertSign \
    -keyout "$made/ca.key" -out "$made/ca.crt" 2> /dev/null
  openssl req $curve -subj /CN=edge -keyout "$made/tls.key" -out "$made/tls.csr" 2> /dev/null
  printf 'subjectAltName=DNS:edge,DNS:s3,DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n' > "$made/extensions"
  openssl x509 -req -in "$made/tls.csr" -CA "$made/ca.crt" -CAkey "$made/ca.key" -CAcreateserial -days 3650 \
    -extfile "$made/extensions" -out "$made/tls.crt" 2> /dev/null
  # What an interrupted run left behind would not fit. The authority's own key is kept nowhere: it signs nothing else.
  rm -f ca.crt tls.key
  for name in ca.crt tls.key tls.crt; do keep "$name" < "$made/$name"; done
  rm -r "$made"
fi
