// The names of emoji, for completion. The page loads them when somebody types the first one.

const TABLE = `
smile 😄 grin 😁 joy 😂 rofl 🤣 slight_smile 🙂 wink 😉 blush 😊 innocent 😇 heart_eyes 😍 star_struck 🤩
kissing_heart 😘 yum 😋 tongue 😛 crazy 🤪 hugs 🤗 thinking 🤔 shush 🤫 zipper 🤐 raised_eyebrow 🤨 neutral 😐
expressionless 😑 smirk 😏 unamused 😒 roll_eyes 🙄 grimacing 😬 relieved 😌 pensive 😔 sleepy 😪 sleeping 😴
mask 😷 sick 🤒 nauseated 🤢 sneezing 🤧 hot 🥵 cold 🥶 dizzy 😵 exploding_head 🤯 cowboy 🤠 party 🥳
sunglasses 😎 nerd 🤓 monocle 🧐 confused 😕 worried 😟 frown 🙁 open_mouth 😮 astonished 😲 flushed 😳
pleading 🥺 fearful 😨 cry 😢 sob 😭 scream 😱 disappointed 😞 sweat 😓 sweat_smile 😅 tired 😫 yawning 🥱
triumph 😤 angry 😠 rage 😡 skull 💀 poop 💩 clown 🤡 ghost 👻 alien 👽 robot 🤖 see_no_evil 🙈 hear_no_evil 🙉
speak_no_evil 🙊 heart ❤️ orange_heart 🧡 yellow_heart 💛 green_heart 💚 blue_heart 💙 purple_heart 💜
broken_heart 💔 sparkling_heart 💖 hundred 💯 anger 💢 boom 💥 dash 💨 zzz 💤 wave 👋 ok_hand 👌 victory ✌️
crossed_fingers 🤞 point_left 👈 point_right 👉 point_up 👆 point_down 👇 +1 👍 thumbsup 👍 -1 👎
thumbsdown 👎 fist ✊ punch 👊 clap 👏 raised_hands 🙌 open_hands 👐 handshake 🤝 pray 🙏 writing ✍️
muscle 💪 eyes 👀 brain 🧠 shrug 🤷 facepalm 🤦 bow 🙇 raising_hand 🙋 dancer 💃 running 🏃 dog 🐶 cat 🐱 fox 🦊
bear 🐻 panda 🐼 frog 🐸 monkey 🐵 chicken 🐔 penguin 🐧 unicorn 🦄 bee 🐝 bug 🐛 butterfly 🦋 turtle 🐢
octopus 🐙 whale 🐳 sunflower 🌻 rose 🌹 tulip 🌷 seedling 🌱 tree 🌳 cactus 🌵 clover 🍀 sun ☀️ cloud ☁️
rain 🌧️ rainbow 🌈 snow ❄️ moon 🌙 star ⭐ sparkles ✨ zap ⚡ fire 🔥 droplet 💧 earth 🌍 apple 🍎 banana 🍌
strawberry 🍓 avocado 🥑 pizza 🍕 burger 🍔 fries 🍟 taco 🌮 cookie 🍪 cake 🎂 icecream 🍦 coffee ☕ tea 🍵
beer 🍺 beers 🍻 wine 🍷 cheers 🥂 cocktail 🍸 tada 🎉 confetti 🎊 balloon 🎈 gift 🎁 trophy 🏆 medal 🏅
soccer ⚽ game 🎮 dart 🎯 dice 🎲 guitar 🎸 music 🎵 headphones 🎧 art 🎨 movie 🎬 camera 📷 phone 📱
computer 💻 keyboard ⌨️ bulb 💡 book 📖 books 📚 memo 📝 calendar 📅 clip 📎 pin 📌 lock 🔒 key 🔑 hammer 🔨
wrench 🔧 gear ⚙️ link 🔗 bell 🔔 hourglass ⏳ alarm ⏰ money 💰 car 🚗 bike 🚲 train 🚆 airplane ✈️ rocket 🚀
ship 🚢 house 🏠 office 🏢 check ✅ x ❌ question ❓ exclamation ❗ warning ⚠️ no_entry ⛔ recycle ♻️ new 🆕
ok 🆗 soon 🔜 flag 🏁 construction 🚧 white_flag 🏳️
`;

const words = TABLE.trim().split(/\s+/);

/** @type {readonly (readonly [string, string])[]} */
export const EMOJI = words.flatMap((word, index) =>
  index % 2 ? [] : [/** @type {const} */ ([word, words[index + 1]])],
);
