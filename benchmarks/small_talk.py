"""Small talk without end: turns about this and that, in Chinese or English, the same for the same seed."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

Language = Literal["zh", "en"]


def _list(text: str) -> Sequence[str]:
    """Items parted by bars or line ends."""
    return tuple(item.strip() for item in re.split(r"[|\n]", text) if item.strip())


_ZH: Mapping[str, Sequence[str]] = {
    "place": _list("""
        公园 | 湖边 | 老城区 | 菜市场 | 图书馆 | 博物馆 | 地铁口 | 江边 | 山脚下 | 书店 | 商场
        小区门口 | 河堤 | 植物园
    """),
    "food": _list("""
        火锅 | 饺子 | 小笼包 | 酸辣粉 | 烤鱼 | 豆腐脑 | 葱油饼 | 麻辣烫 | 绿豆汤 | 炒年糕 | 排骨汤
        凉皮 | 煎饼 | 糖葫芦
    """),
    "thing": _list("""
        雨伞 | 台灯 | 书架 | 水杯 | 旧照片 | 自行车 | 闹钟 | 围巾 | 地图 | 毛笔 | 行李箱 | 日历
        望远镜 | 收音机
    """),
    "topic": _list("""
        古诗 | 电影配乐 | 篆刻 | 种花 | 天文 | 老建筑 | 摄影 | 游泳 | 武侠小说 | 航海史 | 茶叶
        方言 | 陶艺 | 桥牌
    """),
    "mood": _list("""
        有点累 | 挺开心 | 提不起劲 | 很放松 | 心里踏实 | 有点烦 | 精神不错 | 懒洋洋的
    """),
    "sky": _list("""
        刮了一天风 | 下了点小雨 | 出了大太阳 | 起了薄雾 | 闷得很 | 凉快多了 | 飘了几片雪
        云特别好看
    """),
    "doing": _list("""
        收拾屋子 | 看纪录片 | 洗床单 | 逛旧货摊 | 浇花 | 听评书 | 拼拼图 | 晒被子 | 刷锅 | 剪指甲
        叠衣服 | 翻旧杂志
    """),
    "who": _list("""
        楼下大爷 | 一个老同学 | 门卫师傅 | 卖菜的阿姨 | 隔壁小姑娘 | 一位司机 | 图书管理员
        送水的小哥
    """),
    "view": _list("""
        慢一点反而好 | 人多了就没意思 | 还是得看心情 | 越简单越耐看 | 说不清楚 | 见仁见智
        有时候得靠运气
    """),
    "asked": _list("""
        为什么秋天的叶子会变红？ | 怎么挑一个甜的西瓜？ | 月亮为什么有时候白天也看得见？
        围棋和象棋哪个难？ | 写日记有什么好处？ | 怎样才能早睡？ | 猫为什么喜欢纸箱？
        海水为什么是咸的？ | 怎么煮面不坨？ | 听什么音乐适合看书？ | 人为什么会做梦？
        长颈鹿怎么睡觉？ | 怎么给陌生人写信？ | 绿茶和红茶有什么区别？
    """),
}
_ZH_SAID = _list("""
    今天{sky}，我去{place}走了走。 | 中午吃的{food}，味道一般。 | 你觉得{topic}难学吗？
    昨晚{doing}到很晚，今天{mood}。 | {asked} | 刚才碰见{who}，聊了半天{topic}。
    我想买个新的{thing}，又舍不得扔旧的。 | 讲个和{food}有关的笑话吧。
    周末打算在家{doing}，不出门了。 | {place}那边新开了一家卖{food}的，排了好长的队。
    说说{topic}的来历吧。 | 外面{sky}，人也{mood}。 | 最近对{topic}有点兴趣，从哪儿看起好？
    {who}说{topic}这事，{view}。 | 一边{doing}一边和你聊天，{mood}。
    把{thing}翻出来擦了擦，居然还能用。 | {food}配什么汤好？ | 嗯，{view}。 | 哈哈，有道理。
    换个话题吧，聊聊{topic}。 | 你说{place}早上人多还是晚上人多？ | 好久没吃{food}了，突然有点馋。
    帮我想个关于{topic}的对联。 | 看了一集讲{topic}的节目，{view}。
    {who}送了我一个{thing}，不知道放哪儿。
""")
_ZH_ANSWERS = _list("""
    听起来不错，{place}这时候确实舒服。 | {topic}入门不难，难的是坚持，先找本薄一点的书翻翻。
    {food}要趁热吃，放凉了口感就差了。 | 这个问题有意思，简单说，{view}。
    哈哈，那就先歇一会儿，{doing}也不急。 | 我也这么想：{view}。
    可以从{topic}的历史讲起，再看几个例子。 | 旧的{thing}留着也好，有感情。
    {sky}的时候最适合{doing}了。 | 好呀，那我们聊{topic}：很多人是偶然喜欢上的。
    多半和光线、温度有关，书上有不同的说法。 | 嗯嗯，慢慢来。
    那家店我没听说过，排队久的话换个时间去。 | {food}配清汤就好，别太油。 | 人各有所好，{view}。
""")

_EN: Mapping[str, Sequence[str]] = {
    "place": _list("""
        the park | the old harbour | the farmers' market | the library | the canal | a museum
        the botanical garden | a second-hand bookshop | the high street | the station
        the riverbank | a little café
    """),
    "food": _list("""
        lentil soup | pancakes | a cheese toastie | ramen | apple crumble | fish and chips
        a burrito | porridge | mushroom risotto | falafel | pumpkin bread | scrambled eggs
    """),
    "thing": _list("""
        an umbrella | a desk lamp | a bookshelf | a kettle | an old photograph | a bicycle bell
        a woollen scarf | a world map | a fountain pen | a suitcase | a wall clock
        a record player
    """),
    "topic": _list("""
        medieval castles | film music | bird watching | crossword puzzles | black holes
        gardening | chess openings | street photography | lighthouses | tea | typography
        old maps | pottery | steam trains
    """),
    "mood": _list("""
        a bit tired | rather cheerful | restless | quite relaxed | lazy | a little grumpy
        wide awake
    """),
    "sky": _list("""
        It rained all morning | The sun came out at last | It was foggy again
        The wind was terrible | It got warm all of a sudden | There was a lovely sunset
    """),
    "doing": _list("""
        tidying the attic | watching a documentary | sorting socks | baking | watering plants
        doing a jigsaw | mending a jumper | cleaning the windows | reading old magazines
        listening to the radio
    """),
    "who": _list("""
        an old classmate | the postman | a stranger on the tram | the woman from the bakery
        a retired sailor | the librarian | a taxi driver
    """),
    "view": _list("""
        slow is often better | it depends on the mood | simple things last longest
        there is no right answer | it takes a bit of luck | less is more
    """),
    "asked": _list("""
        Why do leaves turn red in autumn? | How do you choose a ripe melon?
        Why can we see the moon by day? | Is chess harder than go?
        What is keeping a diary good for? | How do giraffes sleep? | Why is the sea salty?
        How do I stop pasta from sticking? | Why do cats like boxes?
        What is the difference between green and black tea? | Why do we dream?
        How do bees find their way?
    """),
}
_EN_SAID = _list("""
    {sky}, so I walked along {place}. | Had {food} for lunch, nothing special.
    Is {topic} hard to get into? | I was up late {doing} and now I feel {mood}. | {asked}
    Met {who} and we talked about {topic} for ages.
    I'd like to buy {thing}, but where would I put it? | Tell me a joke about {food}.
    No plans for the weekend, perhaps some {doing}.
    There's a new place near {place} that sells {food}.
    Tell me something about the history of {topic}. | {sky} and I'm {mood}.
    I've become interested in {topic}; where should one start?
    {who} thinks that {view}. What do you think?
    Chatting with you while {doing}, feeling {mood}.
    Found {thing} in a cupboard and it still works. | What goes well with {food}? | Hm, {view}.
    Ha, fair enough. | Let's change the subject: {topic}.
    Is {place} busier in the morning or in the evening? | I haven't had {food} in ages.
    Give me a rhyme about {topic}. | Saw a programme about {topic}; {view}, I suppose.
    {who} gave me {thing}, no idea why.
""")
_EN_ANSWERS = _list("""
    That sounds nice, {place} is pleasant at this time of year.
    It is easy to begin with {topic}: start small. | Best eaten hot, I would say.
    Good question. In short, {view}. | Then take a break; {doing} can wait.
    I would agree: {view}. | One could begin with the history of {topic} and a few examples.
    Old things have their charm. | A good day for {doing}, then.
    Gladly: many people come to {topic} by chance.
    It has to do with light and temperature, mostly. | I see. No hurry.
    I have not heard of it; go when it is quiet. | Something light, perhaps a salad.
    Tastes differ, and {view}.
""")

_SLOT = re.compile(r"\{(\w+)\}")


def talk(language: Language, seed: int | str) -> Iterator[tuple[str, str]]:
    """Turns (what the user says, what is answered), as many as are taken; hardly any comes twice in a row."""
    chance = random.Random(f"{language} {seed}")
    words, said, answers = (_ZH, _ZH_SAID, _ZH_ANSWERS) if language == "zh" else (_EN, _EN_SAID, _EN_ANSWERS)
    recent: list[str] = []
    while True:
        form = chance.choice([f for f in said if f not in recent])
        recent = [*recent, form][-8:]
        yield _filled(form, words, chance), _filled(chance.choice(answers), words, chance)


def _filled(form: str, words: Mapping[str, Sequence[str]], chance: random.Random) -> str:
    text = _SLOT.sub(lambda slot: chance.choice(words[slot[1]]), form)
    return text[:1].upper() + text[1:]
