#!/usr/bin/env bash
# Puts the Developer ID of CERTIFICATE (base64) and PASSWORD into a keychain of this run, and prints whose it is
# as CODESIGN_IDENTITY=, by which both packers sign.
set -euo pipefail
keychain=$RUNNER_TEMP/signing.keychain-db
file=$RUNNER_TEMP/certificate.p12
secret=$(uuidgen)
printf '%s' "$CERTIFICATE" | base64 --decode > "$file"
security create-keychain -p "$secret" "$keychain"
security set-keychain-settings -lut 21600 "$keychain"
security unlock-keychain -p "$secret" "$keychain"
security import "$file" -P "$PASSWORD" -T /usr/bin/codesign -k "$keychain" >&2
security set-key-partition-list -S apple-tool:,apple:,codesign: -s -k "$secret" "$keychain" >&2
security list-keychains -d user -s "$keychain" login.keychain-db
rm "$file"
identity=$(security find-identity -v -p codesigning "$keychain" | sed -n 's/.*"\(.*\)".*/\1/p' | head -1)
[ -n "$identity" ] || { echo "The certificate holds no identity for signing code." >&2; exit 1; }
echo "CODESIGN_IDENTITY=$identity"
