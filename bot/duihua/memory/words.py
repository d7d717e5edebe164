"""Words that say nothing to search by, those that only make a question, and forms that stems do not join."""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FUNCTION_WORDS = _words(
    """a an the and or but if then than so of at by for with about against between into through during to
    from up down in out on off over under again as is am are was were be been being have has had having do
    does did doing will would shall should can could may might must i me my mine myself we us our ours you
    your yours he him his she her hers it its they them their theirs this that these those there here not
    no nor too very just also don't doesn't didn't isn't aren't wasn't weren't can't couldn't won't
    wouldn't haven't hasn't hadn't i'm i've i'll i'd you're you've you'll you'd we're we've we'll we'd
    they're they've they'll he's she's it's that's there's what's let's who's"""
)
"""English words without a meaning of their own: they are no terms at all."""

FUNCTION_CHARACTERS = frozenset(
    "是在有和与跟也都就还又再要会能可很太不没这那个只给对被把让从到去来上下里之所而但或"
)
"""Characters that are no terms when they stand alone."""

QUESTION_WORDS = FUNCTION_WORDS | _words(
    """what which who whom whose when where why how many much long ever remember recall tell told say said
    mention mentioned talk talked talking chat chatted conversation discuss discussed know please any some
    something anything kind sort ago before earlier previously once already thanks thank hello hi hey ok okay
    yes yeah sure bye goodbye well"""
)
"""With those that make a question, ask for nothing but that something was said, or are mere courtesy."""

QUESTIONS = re.compile(
    "为什么|為什麼|什么时候|什麼時候|什么样|什麼樣|什么|什麼|啥|哪一?[些个個里裡儿兒位种種部本天次]?|谁"
    "|誰|怎么样|怎麼樣|怎么|怎麼|怎样|怎樣|如何|多少|多久|几[个個次位]|有没有|有沒有|是不是|对吗|對嗎"
    "|对不对|还记不记得|还记得|還記得|记得|記得|曾经|曾經|曾|之前|以前|当时|當時|(?<!小)[时時]候|提到|提起"
    "|说过|說過|告诉|告訴|讲过|講過|聊天|聊[了过過到]?|谈[了过過到]|对话|對話|话题|話題|具体|具體"
    "|谢谢|謝謝|感谢|感謝|你好|您好|好的|好吧|再见|再見|早上好|晚上好|晚安|知道了|明白了|没问题|沒問題|不客气|辛苦了|哈哈+|继续"
    r"|\b(?:go on|keep going|nice to meet you|how (?:are|do) you(?: do)?|see you(?: later| soon| tomorrow)?"
    r"|good (?:morning|afternoon|evening|night)|take care|no problem|never mind|of course|you too"
    r"|that's (?:great|nice|good|right|true|funny)|ha(?:ha)+|lol)\b"
)
"""The same in Chinese, and courtesies of several words: taken out before a text falls into its terms."""

IRREGULAR = {
    form: line.split()[0]
    for line in """
        go went gone; buy bought; see saw seen; take took taken; make made; give gave given; get got gotten
        eat ate eaten; run ran; meet met; find found; feel felt; think thought; teach taught; bring brought
        begin began begun; choose chose chosen; come came; drive drove driven; fly flew flown; know knew known
        leave left; lose lost; sell sold; send sent; sing sang sung; sit sat; sleep slept; speak spoke spoken
        spend spent; swim swam swum; win won; wear wore worn; write wrote written; build built; catch caught
        hold held; keep kept; pay paid; break broke broken; grow grew grown; draw drew drawn; hear heard
        fall fell fallen; ride rode ridden; stand stood; steal stole stolen; throw threw thrown; wake woke
        wake woken
        become became; fight fought; forget forgot forgotten; hide hid hidden; lend lent
        understand understood
        die died dying; child children; person people; man men; woman women; foot feet; tooth teeth
        mouse mice
        wife wives; knife knives; half halves; loaf loaves; shelf shelves; thief thieves; wolf wolves
        calf calves; scarf scarves; goose geese; louse lice; grandchild grandchildren
        policeman policemen; policewoman policewomen; fireman firemen; fisherman fishermen
        bend bent; bite bitten; bleed bled; blow blew blown; breed bred; burn burnt; creep crept; deal dealt
        dig dug; dream dreamt; feed fed; flee fled; forbid forbade forbidden; forgive forgave forgiven
        freeze froze frozen; hang hung; kneel knelt; lay laid; lead led; lean leant; learn learnt; light lit
        mean meant; prove proven; ring rang rung; rise risen; seek sought; sew sewn; shake shook shaken
        shine shone; show shown; shrink shrank shrunk; sink sank sunk; slide slid; smell smelt; spell spelt
        spill spilt; spin spun; spoil spoilt; stick stuck; sting stung; strike struck; swear swore sworn
        sweep swept; swell swollen; swing swung; tear tore torn; weave wove woven; weep wept
        withdraw withdrew withdrawn""".replace("\n", ";").split(";")
    for form in line.split()[1:]
}
"""From a form that changes within to its base."""
