#!/bin/sh
# Builds the processor in FOLDER, outside this clone (700 MB, about six minutes of one core): sh build.sh FOLDER
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/src" "$1/fetched/src"
cd "$1"

# The newest published store, 0.9.0, asks for clients 0.15, which know no connection strings. It is taken as it is but
# for the versions in its Cargo.toml, and in those of the two packages below it.
cat >fetched/Cargo.toml <<'TOML'
[package]
name = "fetched"
version = "0.1.0"
edition = "2024"

[dependencies]
azure_messaging_eventhubs_checkpointstore_blob = "=0.9.0"
azure_storage_blob = "=1.1.0"
azure_storage_common = "=1.0.0"
TOML
touch fetched/src/lib.rs
(cd fetched && cargo fetch)
for package in azure_messaging_eventhubs_checkpointstore_blob-0.9.0 azure_storage_blob-1.1.0 azure_storage_common-1.0.0; do
	rm -rf "fetched/$package"
	cp -r "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"$package" fetched/
	sed -i \
		-e '/^\[dependencies.azure_core\]/{n;s/"[^"]*"/"1.2.0-beta.1"/}' \
		-e '/^\[dependencies.azure_messaging_eventhubs\]/{n;s/"[^"]*"/"0.16.0"/}' \
		"fetched/$package/Cargo.toml"
done

cp "$here/Cargo.toml" .
cp "$here/main.rs" src/
# fe2o3-amqp 0.16.2 does not compile with 0.7.20.
cargo update --precise 0.7.18 tokio-util
cargo build
echo "$PWD/target/debug/processor"
