"""Generated text of several kinds, the same for the same seed: what people and models say to each other.

The frequent words are real ones. Behind them stands a long tail of made-up ones, of characters and syllables
that are real, each as frequent as its rank allows (Zipf): without a tail a vocabulary of 32,000 would know
every word.
"""

from __future__ import annotations

import json
import random
from bisect import bisect
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate

ZH = """
我 你 的 是 了 在 有 不 就 都 也 这 那 和 要 会 可以 我们 什么 怎么 今天 明天 昨天 现在 时候 一个 没有
知道 觉得 应该 需要 因为 所以 但是 如果 已经 还是 或者 可能 问题 时间 工作 公司 项目 数据 系统 用户 天气
北京 上海 朋友 家里 孩子 学校 老师 学生 医院 手机 电脑 软件 程序 代码 文件 网络 服务 接口 测试 功能 方法
结果 情况 建议 喜欢 希望 准备 开始 结束 学习 研究 分析 设计 开发 使用 提供 支持 处理 解决 选择 比较 发现
认为 说明 介绍 推荐 非常 比较 特别 一般 完全 大概 其实 当然 首先 其次 最后 例如 另外 同时 关于 对于 根据
通过 为了 以及 不过 然后 吃饭 睡觉 旅行 电影 音乐 运动 健康 身体 心情 生活 文化 历史 经济 社会 国家 世界
城市 环境 能源 技术 科学 知识 价格 便宜 质量 市场 产品 客户 合同 会议 报告 计划 任务 目标 成本 收入 银行
保险 投资 管理 团队 经验 能力 机会 早上 晚上 下午 周末 星期 月份 春天 夏天 秋天 冬天 下雨 温度 颜色 红色
衣服 鞋子 苹果 牛奶 咖啡 米饭 面条 蔬菜
"""
ZH_CHARS = """
一二三四五六七八九十百千万大小多少上下左右前后里外中东西南北高低长短新旧好坏快慢冷热山水火木金土石田
林海江河湖风雨雪云天地日月星光春夏秋冬年月时分人民男女老父母子孩兄弟姐妹友师生医工农商兵学校院馆店厂
路街桥车船飞机铁电话信书报纸笔文字词句语言音乐歌舞画图片影视声色香味形状体力气心手足头面口耳目眼鼻牙
血肉骨皮毛衣食住行走跑跳坐站立起来去回进出开关打击推拉提拿放给送买卖借还找看听说读写想思念爱恨喜怒哀
乐苦甜酸辣咸淡鲜美丑善恶真假虚实轻重强弱硬软干湿净脏清明暗黑白红黄蓝绿紫灰空满全半双单正反直曲平斜圆
方尖深浅厚薄宽窄远近早晚古今先后始终存亡成败得失胜负赢输增减加乘除算数量度量质性能量理化物种类型格式
法规则律令权利益义务责任德才智慧识见解释证据论点题目标准确定义计划策略战术技巧艺术品牌价值观念想法案
例程序列表单元件系统网络信息资源码段落章节页面板块区域段
"""
EN = """
the of and to a in is that it for on with as was be by this are or from at I you we they not have has
can will would should could do does what how why when where who which there here about into over after
before because if then also but so just only some any all more most other new good first last long own
time people year work day thing way part place case week company system program question point number
world problem fact group model data value result test file code function server user name list order
think know want need use find give tell ask seem feel try leave call keep let begin help show hear run
please thanks hello yes no maybe really very quite rather often always never usually today tomorrow
weather city school family friend child money food water house car phone book music movie travel health
price market product customer contract meeting report project team plan design research analysis change
information government development management experience important different possible available general
"""
STARTS = "b br c ch cl d dr f fl g gr h j k l m n p pl pr qu r s sh sl sp st str t th tr v w"
MIDDLES = "a e i o u ai ea ee ie oa oo ou"
ENDS = "b ck d ft g l ll m n nd ng nt p r rd rm s ss st t th x"
SUFFIXES = "s s ed ing er ly tion able ment ness ive al ous"
EMOJI = "😀😁😂🤣😊😍😘😎🤔😅😭😡👍👎🙏👏💪🎉🔥✨❤🌹🌈☀🌧🍎🍜🍺🐶🐱🚗✈🏠📱💻📚"


class Words:
    """Words drawn by Zipf's law: the n-th is drawn about 1/n as often as the first."""

    def __init__(self, words: Sequence[str], rng: random.Random) -> None:
        self._words, self._rng = words, rng
        self._sums = list(accumulate((rank + 8) ** -1.4 for rank in range(len(words))))

    def __call__(self) -> str:
        return self._words[bisect(self._sums, self._rng.random() * self._sums[-1])]


class Texts:
    """A source of text. The words are the same for every seed, what is said with them is not.

    Args:
        seed: of what is said.
        tail: made-up words of each language.
    """

    def __init__(self, seed: int, tail: int = 20_000) -> None:
        self.rng = random.Random(seed)
        made = random.Random(4711)
        characters = "".join(ZH_CHARS.split())
        zh = ["".join(made.choices(characters, k=made.choice((2, 2, 2, 3, 4)))) for _ in range(tail)]
        en = [_made_up(made) for _ in range(tail)]
        self._zh, self._en = Words([*ZH.split(), *zh], self.rng), Words([*EN.split(), *en], self.rng)
        self.kinds: dict[str, Callable[[], str]] = {
            "zh": self.zh,
            "en": self.en,
            "mixed": self.mixed,
            "code": self.code,
            "json": self.json,
            "emoji": self.emoji,
        }

    def kind(self, shares: Mapping[str, float]) -> str:
        """One kind of text, each as often as its share says."""
        return self.rng.choices(list(shares), list(shares.values()))[0]

    def some(self, kind: str, characters: int) -> str:
        """Text of one kind, of about so many characters, at least a sentence."""
        out = self.kinds[kind]()
        while len(out) < characters:
            out += "\n" if kind in ("code", "json") or self.rng.random() < 0.1 else " " * (kind == "en")
            out += self.kinds[kind]()
        return out

    def zh(self) -> str:
        """A sentence in Chinese."""
        clauses = ["".join(self._zh() for _ in range(self.rng.randint(2, 7))) for _ in range(self._few())]
        if self.rng.random() < 0.15:
            clauses[-1] += f"{self.rng.randint(1, 3000)}{self.rng.choice('元个天年次')}"
        if self.rng.random() < 0.08:
            clauses[0] = f"“{clauses[0]}”"
        return "，".join(clauses) + self.rng.choice("。。。！？；：")

    def en(self) -> str:
        """A sentence in English."""
        words = [self._en() for _ in range(self.rng.randint(4, 18))]
        if self.rng.random() < 0.15:
            words.append(str(self.rng.randint(1, 3000)))
        if len(words) > 9:
            words[5] += ","
        text = " ".join(words)
        return text[0].upper() + text[1:] + self.rng.choice("...?!")

    def mixed(self) -> str:
        """A Chinese sentence with English words."""
        parts = [self._zh() if self.rng.random() < 0.7 else f" {self._en()} " for _ in range(12)]
        return "".join(parts).strip() + self.rng.choice("。，？")

    def code(self) -> str:
        """A function in Python, or a few lines."""
        a, b, c = (self._name() for _ in range(3))
        lines = [f"def {a}({b}: str, {c}: int = {self.rng.randint(0, 99)}) -> None:"]
        for _ in range(self.rng.randint(1, 5)):
            d, e = self._name(), self._name()
            lines.append(
                self.rng.choice(
                    (
                        f"    {d} = {e}.{self._name()}({b}, {c}[{self.rng.randint(0, 9)}])",
                        f"    if {d} != {e} and not {b}.startswith('{self._en()}'):",
                        f"        return {{'{d}': {e}, \"{self._en()}\": [{b}]}}",
                        f"    # {self.zh() if self.rng.random() < 0.3 else self.en()}",
                        f"    for {d} in range({self.rng.randint(2, 500)}): {e} += {d} * {c}",
                    )
                )
            )
        return "\n".join(lines) + "\n"

    def json(self) -> str:
        """A JSON object, as services answer."""
        value = {
            self._name(): self.rng.choice(
                (
                    self.rng.randint(0, 10**6),
                    round(self.rng.random() * 100, 2),
                    self._zh(),
                    self._en(),
                    [self.rng.randint(0, 99) for _ in range(4)],
                    {
                        "id": f"{self.rng.getrandbits(48):x}",
                        "at": f"2025-{self.rng.randint(10, 12)}-17T08:30:00Z",
                    },
                    None,
                    True,
                )
            )
            for _ in range(self.rng.randint(2, 8))
        }
        return json.dumps(value, ensure_ascii=False, indent=self.rng.choice((None, None, 2)))

    def emoji(self) -> str:
        """Chat with emoji."""
        words = "".join(self._zh() for _ in range(self.rng.randint(1, 5)))
        return (
            words
            + "".join(self.rng.choices(EMOJI, k=self.rng.randint(1, 4)))
            + self.rng.choice(("", "~", "哈哈"))
        )

    def _few(self) -> int:
        return self.rng.choice((1, 1, 2, 2, 3))

    def _name(self) -> str:
        return "_".join(self._en().lower() for _ in range(self.rng.choice((1, 1, 2))))


def _made_up(rng: random.Random) -> str:
    starts, middles, ends, suffixes = (set_.split() for set_ in (STARTS, MIDDLES, ENDS, SUFFIXES))
    parts = [rng.choice(starts) + rng.choice(middles) for _ in range(rng.choice((1, 1, 2)))]
    suffix = rng.choice(suffixes) if rng.random() < 0.8 else ""
    return "".join(parts) + rng.choice(ends) + suffix
