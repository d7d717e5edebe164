"""Rules for what people say of themselves in English."""

from __future__ import annotations

import re

from duihua.memory.statements import DATE, NAME, Rule, Statement, mine, of_kin, rule

_OFTEN = (
    r"(?:(?:quite|rather|simply|really|absolutely|also|actually|just|still|always|usually|often|mostly|currently|now|very|much|"
    r"especially|particularly|definitely|personally|truly|do|kind of|totally|both|recently|generally)\s+)*"
)
KIN = (
    r"(?:(?:older|younger|elder|little|big|twin|best|eldest|oldest|youngest|other|first|second|late|"
    r"new|old|pet|"
    r"ex)[- ])*(?:daughter|son|wife|husband|partner|spouse|girlfriend|boyfriend|fianc[eé]e?|mother|"
    r"mom|mum|father|"
    r"dad|parents?|brother|sister|grandmother|grandma|grandfather|grandpa|uncle|aunt|cousin|nephew|"
    r"niece|kids?|"
    r"child|children|baby|twins?|granddaughter|grandson|friend|roommate|flatmate|boss|manager|"
    r"colleague|coworker|"
    r"teacher|neighbou?r|landlord|cat|dog|puppy|kitten|rabbit|bunny|hamster|parrot|tortoise|turtle|"
    r"horse|fish|"
    r"bird|pet|goldfish|guinea pig)s?"
)
_VAGUE = (
    r"question|point|guess|bad|apolog\w+|code|understanding|problem|issue|concern|thinking|opinion|"
    r"idea|request|"
    r"mistake|suggestion|fault|answer|assumption|thought|thoughts|goodness|god|back|head|only|first|"
    r"last|next|"
    r"computer|internet|script|program|query|take|impression|feeling|intention|hope|turn|pleasure|bet|mind|"
    r"theory|conclusion|experience|main|biggest|current|example|function|file|output|error"
)
_PROFESSION = (
    r"(?:(?:\w+olog|art|journal|dent|pharmac|physic|chem|econom|psychiatr|therap|pian|violin|flor|"
    r"novel|scient)ist|"
    r"engineer|teacher|developer|programmer|designer|manager|doctor|lawyer|writer|driver|worker|baker|waiter|"
    r"waitress|actor|actress|singer|dancer|painter|photographer|carpenter|plumber|electrician|"
    r"mechanic|farmer|"
    r"banker|broker|researcher|lecturer|professor|librarian|firefighter|officer|barber|hairdresser|butcher|"
    r"tailor|translator|interpreter|editor|reporter|author|director|producer|analyst|statistician|"
    r"mathematician|technician|musician|politician|optician|physician|paramedic|midwife|veterinarian|"
    r"vet|nurse|"
    r"chef|cook|pilot|captain|sailor|soldier|guard|cashier|clerk|secretary|receptionist|accountant|auditor|"
    r"consultant|assistant|intern|student|undergrad|postdoc|trainee|apprentice|freelancer|founder|"
    r"entrepreneur|"
    r"ceo|cto|cfo|contractor|builder|architect|illustrator|animator|barista|bartender|coach|trainer|"
    r"instructor|"
    r"tutor|principal|judge|attorney|realtor|salesman|saleswoman|salesperson|agent|courier|janitor|gardener|"
    r"surgeon|hairstylist|stylist|blogger|youtuber|streamer|composer|conductor|diplomat|detective|"
    r"housewife|homemaker|retiree|pensioner)"
)
_NO_LIKING = re.compile(
    r"i\b.{0,20}?\b(?:never|don't|do not)\b(?! (?:really )?(?:like|love|enjoy|eat|drink|play|watch))", re.I
)


def _disliked(found: re.Match[str]) -> Statement | None:
    if _NO_LIKING.match(found[0]):
        return None
    return rule("preference", "dislike", taste=True)(found)


RULES: tuple[Rule, ...] = (
    # one's name
    (
        rf"my (?:full |real |first |given |legal |actual )?name(?: is|'s|:){_OFTEN} {NAME}",
        rule("profile", "name", name=True),
    ),
    (
        rf"i(?:'m| am) (?:called|named) {NAME}",
        rule("profile", "name", name=True),
    ),
    (
        rf"(?:i go by|(?:please |you can |just |everyone )*calls? me|(?:my )?friends call me) {NAME}",
        rule("profile", "nickname", name=True),
    ),
    # where one lives and comes from
    (
        rf"(?:i|we)(?:'m|'re|'ve| am| are| have)? ?{_OFTEN}(?:lives?|reside|living|based|moved|relocated|"
        r"settled) (?:back )?(?:in|to|near|at) (?P<v>(?!fear|hope|peace|the (?:moment|past|present|"
        r"future|now)|an? \w*world|(?:the|an?|my|our) (?:[\w-]+ ){0,2}(?:row|seat|desk|table|chair|room|"
        r"floor|office|page|"
        rf"step|front|left|right|next|team|side|line|bed|couch|sofa|chapter|question|"
        rf"topic)\b)[^\W\d][\w .'-]{{1,40}}?)(?: now| currently| these days|"
        r" at the moment)?",
        rule("profile", "home"),
    ),
    (
        rf"i(?:'m| am| come)? {_OFTEN}(?:originally )?from (?!the (?:team|future)|now|here|there)"
        rf"(?P<v>[A-Za-z][\w .'-]{{1,40}})",
        rule("profile", "origin"),
    ),
    (
        r"i was born in (?P<v>(?-i:[A-Z])[\w .'-]{1,40})",
        rule("profile", "origin"),
    ),
    (
        r"i (?:grew up|was raised) (?:in|near) (?P<v>[^\W\d][\w .'-]{1,40})",
        rule("profile", "origin"),
    ),
    # birthday and age
    (
        rf"my (?:birthday|date of birth)(?: is|'s|:| falls)?(?: on)?(?: the)? (?P<v>(?:{DATE}).{{0,24}}?)",
        rule("profile", "birthday"),
    ),
    (
        rf"i was born (?:on|in)(?: the)? (?P<v>(?:{DATE}).{{0,24}}?)",
        rule("profile", "birthday"),
    ),
    (
        rf"i(?:'m| am| just turned| turned| is) {_OFTEN}(?P<v>\d{{1,3}}|(?:twenty|thirty|forty|fifty|sixty|"
        r"seventy|eighty)(?:[- ]\w+)?)(?: years? old| yo| years of age)?",
        rule("profile", "age"),
    ),
    (
        rf"i(?:'m| am|'ve been| have been) {_OFTEN}(?:an? )?(?P<v>vegetarian|vegan|pescatarian|"
        rf"diabetic|left-handed|"
        r"colou?r-?blind|lactose intolerant|gluten intolerant|celiac|asthmatic|muslim|jewish|christian|"
        r"buddhist|hindu|single|married|divorced|widowed|engaged|pregnant|an only child|only child|introvert|"
        r"extrovert|night owl|morning person)",
        rule("profile", "is"),
    ),
    # work and study
    (
        rf"i(?:(?:'m| am| is) {_OFTEN}(?:working as )?an?|(?:'ve| have)? ?{_OFTEN}works? as(?: an?)?) "
        r"(?P<v>(?:(?!(?:in|on|at|for|of|with|to|from|than|and)\b)[\w-]+ ){0,3}"
        rf"{_PROFESSION})(?: (?:at|in|for|from|with|of) [\w .&'-]{{2,40}})?",
        rule("profile", "job"),
    ),
    (
        rf"i(?:'m| am)? ?{_OFTEN}(?:works?|working|interning|employed) (?:for|at|in|with) "
        r"(?!night|home|the (?:morning|evening|moment|same)|it\b|this|that|my (?:project|thesis|code)|"
        r"an? (?:project|problem))(?P<v>[\w .&'-]{2,48})",
        rule("profile", "workplace"),
    ),
    (
        rf"i(?:'m| am)? {_OFTEN}(?:study|studying|majoring in|major in) (?!for|hard|it|this|that|tonight|"
        rf"today)(?P<v>[\w .&'-]{{2,40}})",
        rule("profile", "study"),
    ),
    (
        r"i (?P<v>(?!do\b|did\b|need\b|want\b)[a-z]{3,12} [\w '-]{3,40}?) for a living",
        rule("profile", "job"),
    ),
    (
        rf"i(?:'m| am) {_OFTEN}learning (?!to\b|how|from|that|a lot)(?P<v>[\w '-]{{2,30}}?)",
        rule("profile", "learning"),
    ),
    # health
    (
        rf"i(?:'m| am| is)? {_OFTEN}(?:severely |deathly |highly |badly |"
        rf"mildly )?allergic to (?P<v>[\w ,'-]{{2,60}})",
        rule("profile", "allergy"),
    ),
    (
        r"i(?:'ve| have| got|'ve got| have got| suffer from)+ (?:an? )?(?:severe |bad |serious |"
        r"mild )?(?P<v>[\w-]{3,20}(?: \w+)?) allerg(?:y|ies)",
        rule("profile", "allergy"),
    ),
    (
        r"i(?:'m| am) (?:not|no longer) allergic to (?P<v>[\w ,'-]{2,60}?)(?: any ?more)?",
        rule("profile", "no allergy"),
    ),
    # likings
    (
        rf"i(?:'ve)? {_OFTEN}(?:no longer |don't (?:really )?|do not |never |can't stand |cannot stand |"
        r"can't bear |can't (?=have|eat|drink)|cannot (?=have|eat|drink)|stopped (?!at|by|in|on|for|to|"
        r"off|over|here|there)|quit |gave up |hate|"
        r"dislike|detest|loathe|avoid)(?:(?:have|like|love|enjoy|"
        rf"liking|eat|drink|eating|drinking|watch|play|smoking)s?\b)?s? ?(?P<v>[^,]{{2,60}}?)",
        _disliked,
    ),
    (
        rf"i {_OFTEN}(?:like|love|enjoy|prefer|adore)s? (?P<v>[^,]{{2,60}}?)",
        rule("preference", "like", taste=True),
    ),
    (
        rf"i(?:'m| am) {_OFTEN}(?:a (?:big|huge|great) fan of|fond of|into|crazy about|keen on|"
        rf"passionate about|obsessed with) (?P<v>[^,]{{2,60}}?)",
        rule("preference", "like", taste=True),
    ),
    # one's people, animals and things
    (
        rf"my (?P<x>{KIN})(?:'s|s')? (?:name(?: is|'s)|is (?:called|named)|are (?:called|named)|called|"
        rf"named|goes by) (?P<v>[A-Z][\w' -]{{0,40}}?)",
        of_kin(""),
    ),
    (
        rf"my (?P<x>{KIN})(?:'s|s')? (?:birthday|anniversary) (?:is|falls)"
        rf"(?: on)? (?P<v>[\w ,]{{2,30}}?)",
        of_kin("birthday"),
    ),
    (
        rf"my (?P<x>{KIN})(?: [A-Z]\w+)? (?:is|just turned|turned) (?P<v>\d{{1,3}}|\w+teen|"
        r"\w+ty(?:-\w+)?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)(?: (?:years?|"
        r"months?|weeks?) old)?",
        of_kin("age"),
    ),
    (
        rf"my (?P<x>{KIN})(?: [A-Z]\w+)? (?:lives?|is living|moved) (?:in|to|near)"
        rf" (?P<v>[\w .'-]{{2,40}}?)",
        of_kin("home"),
    ),
    (
        rf"my (?P<x>{KIN})(?: [A-Z]\w+)? (?P<v>(?:works?|studies) (?:as|at|for|in) [\w .'-]{{2,40}}?)",
        of_kin("job"),
    ),
    (
        rf"my (?P<x>{KIN})(?: [A-Z]\w+)? is (?:\w+ )?allergic to (?P<v>[\w ,'-]{{2,40}}?)",
        of_kin("allergy"),
    ),
    (
        rf"my (?P<x>{KIN})(?: [A-Z]\w+)? (?P<v>(?:really |absolutely )?(?:likes?|loves?|hates?|enjoys?|"
        rf"prefers?) (?!me|you|it|this|that)[\w '-]{{2,40}}?)",
        of_kin("taste"),
    ),
    (
        r"(?:i|we)(?:'ve| have| own| got)+ (?P<v>(?:an?|one|two|three|four|five|\d)"
        rf" (?:[\w-]+ ){{0,2}}{KIN}(?: (?:named|called) [A-Z][\w ]+)?)",
        rule("profile", "have"),
    ),
    (  # beside whoever they are
        rf"my (?P<x>{KIN})(?: is|'s| are) (?P<v>an? [^,]{{1,60}}?)",
        of_kin("what"),
    ),
    (
        rf"my (?P<x>{KIN})(?: is|'s| are) (?P<v>(?:in|at|on|from|with) [^,]{{1,60}}?)",
        of_kin("where"),
    ),
    (
        rf"my (?P<x>(?!(?:{_VAGUE})\b)(?:[\w'-]+ ){{0,3}}?(?!(?:{_VAGUE})\b)[\w'-]+)(?: is|'s|:| are)"
        rf" (?P<v>[^,]{{1,60}}?)",
        mine,
    ),
    (
        rf"my (?P<x>{KIN}) (?P<v>(?-i:[A-Z][a-z]+)(?: (?-i:[A-Z][a-z]+))?) "
        r"(?:is|was|turns?|has|likes?|loves?|hates?|lives?|works?|plays?|wants?|goes|studies|started)"
        r"\b[^,]{0,60}",
        of_kin(""),
    ),
    (
        r"our (?P<x>(?:[\w'-]+ )?anniversary)(?: is|'s|:| falls)(?: on)? (?P<v>[^,]{2,30}?)",
        mine,
    ),
    (
        r"(?:the|our|my) (?P<x>(?!error|status|exit|port|version)(?:[\w-]+ ){0,2}(?:password|passcode|"
        r"pin|padlock|"
        r"booking reference|reference|confirmation code|licen[cs]e plate|(?:phone|account|card|member|"
        r"passport) number))"
        r"(?: on [\w ]{2,20}?)?(?: is| opens with|'s|:) (?P<v>(?=[^,]*\d)[^,]{3,40}?)",
        mine,
    ),
)
"""The first one that matches counts."""
