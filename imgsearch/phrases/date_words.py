"""Words of dates in many languages, folded, as parts of patterns. Months and weekdays come from
CLDR (`words.json`); seasons, decades, feasts and the words around them stand here."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

HERE = Path(__file__).parent

SEASONS = {
    "spring": """
        spring springtime fruhling fruhjahr fruhlings printemps primavera voorjaar lente
        wiosna wiosny wiosne wiosna весна весны веснои весною весну весни ilkbahar bahar
        ilkbaharda ilkbahari ilkbaharinda bahari baharinda var varen foraret varen
        春 春天 春季 봄 봄에 봄의
    """,
    "summer": """
        summer summertime sommer sommers ete verano estate verao zomer lato lata latem lecie
        лето лета летом лете літо літа влітку літом літку yaz yazi yazin yazinda sommar sommaren
        sommeren 夏 夏天 夏季 여름 여름에 여름의
    """,
    "autumn": """
        autumn fall herbst herbstes automne otono autunno outono herfst najaar jesien
        jesieni jesienia осень осени осенью осінь осені восени sonbahar sonbahari sonbaharda
        sonbaharinda guz host hosten 秋 秋天 秋季 가을 가을에 가을의
    """,
    "winter": """
        winter wintertime winters hiver invierno inverno zima zimy zime zimie зима зимы
        зимои зиму зими взимку зимою kis kisi kisin kisinda vinter vintern vinteren 冬 冬天 冬季
        겨울 겨울에 겨울의
    """,
}
FEASTS = {
    "christmas": """
        christmas xmas weihnachten weihnacht noel navidad natale natal kerst kerstmis
        boze_narodzenie bozego_narodzenia рождество рождества різдво різдва jul julen クリスマス
        圣诞节|聖誕節|圣诞|크리스마스
    """,
    "new year's eve": """
        new_year_'_s_eve new_years_eve silvester sylvester reveillon saint_sylvestre
        nochevieja oudejaarsavond sylwester nyarsafton 大晦日
    """,
    "new year": """
        new_year new_year_'_s new_year_'_s_day neujahr nouvel_an ano_nuevo capodanno ano_novo
        nieuwjaar nowy_rok новыи_год yilbasi nyar 元旦 正月 お正月
    """,
    "halloween": "halloween ハロウィン 万圣节 할로윈",
    "easter": """
        easter ostern paques pascua pasqua pascoa pasen wielkanoc пасха пасхи пасху
        великдень paskalya pask paske イースター 复活节 부활절
    """,
    "valentine": """
        valentine_'_s_day valentines_day valentinstag saint_valentin saint_-_valentin
        san_valentin san_valentino バレンタインデー 情人节 발렌타인데이
    """,
    "thanksgiving": "thanksgiving",
}
PARTS = {  # of a year: the first of four months
    1: "early beginning_of anfang debut principios_de inicio_de inizio begin poczatek начало 初",
    5: "mid middle_of mitte mi mediados_de meados_de meta midden polowa середина",
    9: "late end_of ende fin fin_de finales_de final_de fine eind koniec конец 末",
}
LAST_BEFORE = """
    last past previous letzten letzte letztes letzter letztem vergangenen vergangenes vergangene
    vorigen voriges vorige vorig afgelopen laatste ultimo ultima pasado pasada passado passada
    scorso scorsa zeszlego zeszlej ubieglego ubieglej zeszlym ubieglym zeszly zeszla ostatniej
    прошлым прошлои прошлого прошлом прошлую прошлыи прошлое минулого минулоі минулоі минулому
    минуліи минулии gecen forra 上 上个 上個 去 지난 작년
"""
LAST_AFTER = """
    dernier derniere passe passee pasado pasada scorso scorsa passado passada 前
"""
THIS_BEFORE = """
    this diesen dieses dieser diesem cet cette ce este esta questo questa quest neste nesta deze
    dit tego tej tym ten этим этои этого этом эту этот это цього цієі ціеі bu i denna detta 今 이번
"""
UNITS = {
    "day": """
        day days tag tage tagen jour jours dia dias giorno giorni dag dagen dagar dzien dni
        день дня днеи дні днів gun 天 日 일
    """,
    "week": """
        week weeks woche wochen semaine semaines semana semanas settimana settimane weken
        tydzien tygodnia tygodnie tygodni tygodniu неделю недели неделе недель неделя
        тиждень тижня тижні тижнів hafta vecka veckan veckor 周 週 星期 주
    """,
    "weekend": """
        weekend wochenende wochenendes fim_de_semana fin_de_semana fine_settimana week_end
        week_-_end выходные выходных helg helgen weekendu 周末 週末 주말
    """,
    "month": """
        month months monat monate monaten monats mois mes meses mese mesi maand maanden
        miesiac miesiaca miesiace miesiecy miesiacu месяц месяца месяцев месяце місяць
        місяця місяці місяців ay manad manaden manader 月 个月 個月 か月 ヶ月 달 개월
    """,
    "year": """
        year years jahr jahre jahren jahres an ans annee annees ano anos anni anno jaar
        jaren rok roku lata lat год года году лет рік року році роки років yil ar aret 年 년 해
    """,
}
YESTERDAY = """
    yesterday gestern hier ayer ieri ontem gisteren wczoraj вчера вчора учора dun igar last_night
    letzte_nacht hier_soir anoche ieri_sera ontem_a_noite gisteravond 昨日 昨天 어제 きのう 昨夜
    昨晚
"""
BEFORE_YESTERDAY = """
    day_before_yesterday the_day_before_yesterday vorgestern avant_hier avant_-_hier anteayer
    l_'_altro_ieri anteontem eergisteren przedwczoraj позавчера позавчора evvelsi_gun forrgar
    一昨日 前天 그저께
"""
TODAY = """
    today heute aujourd_'_hui hoy oggi hoje vandaag dzisiaj dzis сегодня сьогодні bugun idag 今日
    今天 오늘
"""
# whole years, months and weeks by a word of their own
LAST_YEAR = "去年 昨年 작년 작년에 작년의 지난해 l_'_annee_derniere l_'_an_dernier"
YEAR_BEFORE_LAST = "一昨年 前年 재작년 year_before_last the_year_before_last vorletztes_jahr"
THIS_YEAR = "今年 올해"
LAST_WEEK = "先週 上周 上週 上星期 上个星期 上個星期 지난주 지난주에"
LAST_MONTH = "先月 上个月 上個月 上月 지난달 지난달에"
COUNTS = {
    1: """
        one a an ein eine einem einer un une uno una um uma een jeden один одну одного bir
        en ett 一
    """,
    2: "two zwei deux dos due dois duas twee dwa dwie два две дві iki tva tva 两 兩 二",
    3: "three drei trois tres tre drie trzy три uc 三",
    4: "four vier quatre cuatro quattro quatro cztery четыре чотири dort fyra 四",
    5: "five funf cinq cinco cinque vijf piec пять п ять bes fem 五",
    6: "six sechs seis sei zes szesc шесть шість alti sex 六",
    7: "seven sieben sept siete sette sete zeven siedem семь сім yedi sju 七",
    8: "eight acht huit ocho otto oito osiem восемь вісім sekiz atta 八",
    9: "nine neun neuf nueve nove negen dziewiec девять dokuz nio 九",
    10: "ten zehn dix diez dieci dez tien dziesiec десять on tio 十",
}
# words that lead into a date and leave with it: one of the first, and then some of the others
LEADS = """
    a ad in on from of during at im am vom aus wahrend en du de des au dans del nel nell_'_ negli
    dal di
    em no na do da op van uit w we z в во на за із з с у i pa fran aret om under taken around um
    в_течение pendant durante depuis_le 在 于 在_了 في
"""
# only before "yesterday" and "last year": "Fotos von gestern"
DAY_LEADS = "von van d_'"
YEAR_LEADS_OF_PICTURES = "von van av"  # "Fotos von 2008"
# "taken in 2011"
TAKEN = """
    taken shot photographed aufgenommen fotografiert pris prise prises photographie tomada tomado
    tomadas tomados scattata scattate scattato tirada tiradas genomen zrobione сделанные сделано
    снято снятые cekilen tagna tagen
"""
# only before a feast: "zu Weihnachten"
FEAST_LEADS = "zu zum til till w_swieta"
ARTICLES = "the de der dem den die das la le l_' el il het lo los las les o a"
YEAR_LEADS = "year jahr jahre jahres dem annee an ano anno jaar roku году l_' aret عام سنة"
DECADES = {  # in words, by their first year
    1920: "twenties zwanziger zwanzigern veinte venti vinte",
    1930: "thirties dreissiger dreissigern treinta trenta trinta",
    1940: "forties vierziger vierzigern cuarenta quaranta quarenta",
    1950: "fifties funfziger funfzigern cincuenta cinquanta cinquenta пятидесятые пятидесятых",
    1960: """
        sixties sechziger sechzigern sesenta sessanta sessenta zestig шестидесятые шестидесятых
        шістдесяті
    """,
    1970: """
        seventies siebziger siebzigern setenta settanta zeventig семидесятые семидесятых
        сімдесяті
    """,
    1980: """
        eighties achtziger achtzigern ochenta ottanta oitenta tachtig восьмидесятые восьмидесятых
        вісімдесяті
    """,
    1990: "nineties neunziger neunzigern noventa novanta negentig девяностые девяностых дев'яності",
}
BETWEEN = "between zwischen entre tra fra tussen miedzy pomiedzy между між mellan"
AND = "and und et y e en a i и і och &"
FROM = "from von vom de du desde dal da van od с от з від fran"
TO = """
    to until till bis a au al jusqu_'_a jusqu_'_en hasta ate tot do по до och - – —
"""
SINCE = "since seit depuis desde dal sinds od с sedan"
BEFORE = "before vor avant antes_de antes_del prima_del voor przed до перед fore"
AFTER = """
    after nach apres despues_de despues_del depois_de dopo_il na po после після efter
"""


def phrases(words: str) -> list[str]:
    """The phrases in `words`: apart by spaces, with _ for a space inside one. The letters of
    scripts without spaces are apart, as in `Line.folded`."""
    found = []
    for phrase in words.split():
        unspaced = "\u3040" <= phrase[0] <= "\u9fff"
        found.append(" ".join(phrase) if unspaced else phrase.replace("_", " "))
    return found


def with_plain_quotes(text: str) -> str:
    """`text` with ' for ’ and ‘."""
    return text.replace("’", "'").replace("‘", "'")


def any_of(words: str | list[str]) -> str:
    """A pattern of all phrases in `words`, longest first."""
    found = phrases(words) if isinstance(words, str) else words
    ordered = sorted({re.escape(phrase) for phrase in found}, key=lambda one: (-len(one), one))
    return "(?:" + "|".join(ordered).replace("'", "['’‘]") + ")"


@functools.cache
def calendar() -> dict[str, dict[str, int]]:
    """Folded names of months (1 to 12) and weekdays (Monday is 0)."""
    loaded: dict[str, dict[str, int]] = json.loads((HERE / "words.json").read_text("utf-8"))
    return loaded
