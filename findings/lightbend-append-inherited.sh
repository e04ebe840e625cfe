#!/usr/bin/env bash
# Lightbend's HOCON reader: after `bot = ${base}`, `bot.rooms += garden` is a list of one. The rooms of the base are
# lost, without a warning. `+=` stands for `${?bot.rooms} [garden]`, which leads to itself and so counts as unset.
# It needs a JDK.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
curl -sSf -o "$folder/config.jar" https://repo1.maven.org/maven2/com/typesafe/config/1.4.10/config-1.4.10.jar

cat >"$folder/Append.java" <<'JAVA'
import com.typesafe.config.ConfigFactory;

class Append {
    public static void main(String[] arguments) {
        for (String first : new String[] {"bot = ${base}", "bot { rooms = [lobby] }", "bot.rooms = ${base.rooms}"}) {
            String text = "base { rooms = [lobby] }\n" + first + "\nbot.rooms += garden";
            System.out.println(first + " -> " + ConfigFactory.parseString(text).resolve().getStringList("bot.rooms"));
        }
    }
}
JAVA

output=$(java -cp "$folder/config.jar" "$folder/Append.java")
echo "$output"
[ "$output" = 'bot = ${base} -> [garden]
bot { rooms = [lobby] } -> [lobby, garden]
bot.rooms = ${base.rooms} -> [lobby, garden]' ] ||
  { echo "changed: expected the rooms of the substituted object to be lost" >&2; exit 1; }
