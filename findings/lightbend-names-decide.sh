#!/usr/bin/env bash
# Lightbend's HOCON reader: whether two keys that refer to each other's earlier values can be resolved, and to what,
# depends on how they are called. The same three lines with other names are refused as a cycle. It needs a JDK.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
curl -sSf -o "$folder/config.jar" https://repo1.maven.org/maven2/com/typesafe/config/1.4.10/config-1.4.10.jar

cat >"$folder/Names.java" <<'JAVA'
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;

class Names {
    public static void main(String[] arguments) {
        for (String[] names : new String[][] {{"a", "b"}, {"b", "a"}}) {
            String text = "X = 1\nY = ${X}\nX = ${Y}x".replace("X", names[0]).replace("Y", names[1]);
            String found;
            try {
                found = ConfigFactory.parseString(text).resolve().root().unwrapped().toString();
            } catch (ConfigException.UnresolvedSubstitution cycle) {
                found = "refused as a cycle";
            }
            System.out.println(text.replace("\n", ", ") + " -> " + found);
        }
    }
}
JAVA

output=$(java -cp "$folder/config.jar" "$folder/Names.java")
echo "$output"
[ "$output" = 'a = 1, b = ${a}, a = ${b}x -> {a=1x, b=1}
b = 1, a = ${b}, b = ${a}x -> refused as a cycle' ] ||
  { echo "changed: expected the names to decide" >&2; exit 1; }
