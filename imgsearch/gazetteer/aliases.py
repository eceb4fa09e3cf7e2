"""Everyday names of countries that CLDR's main names lack, and of cities that GeoNames lacks, for
`build.py`."""

from __future__ import annotations

# CLDR's English names that are longer than what people call the place
ENGLISH = {
    "BA": "Bosnia and Herzegovina",
    "CD": "Democratic Republic of the Congo",
    "CG": "Republic of the Congo",
    "HK": "Hong Kong",
    "MM": "Myanmar",
    "MO": "Macao",
    "PS": "Palestine",
    "TR": "Turkey",
}

EVERYDAY = {
    "AE": "UAE, Emirates, the Emirates, Emirate, Émirats, Emiratos, Emirati, Эмираты, ОАЭ, 阿联酋",
    "BA": "Bosnia, Bosnien, Bosnie, Босния, ボスニア, 波斯尼亚",
    "BY": "Weißrussland, Weissrussland, Biélorussie, Bielorrusia, Bielorussia, Белоруссия",
    "CD": "Congo, Kongo, DR Congo, Zaire, Конго, コンゴ",
    "CI": "Ivory Coast",
    "CV": "Cape Verde, Kap Verde",
    "CZ": "Czech Republic, Tschechische Republik, Tschechei, République tchèque, República Checa,"
    " Repubblica Ceca, Tsjechische Republiek, チェコ共和国",
    "EG": "Египта, Египте, Египту",
    "FK": "Falklands, Falkland Islands, Falklandinseln, Malvinas, Islas Malvinas",
    "GB": "UK, Great Britain, Britain, Großbritannien, Grande-Bretagne, Gran Bretaña,"
    " Gran Bretagna, Grã-Bretanha, Groot-Brittannië, Великобритания, 大不列颠, グレートブリテン,"
    " England, Engeland, Angleterre, Inglaterra, Inghilterra, Anglia, Англия, Англія, İngiltere,"
    " イングランド, 英格兰, 英格蘭, 영국, Scotland, Schottland, Schotland, Écosse, Escocia,"
    " Escócia, Scozia, Szkocja, Шотландия, Шотландія, İskoçya, Skottland, スコットランド, 苏格兰,"
    " 蘇格蘭, 스코틀랜드, Wales, Pays de Galles, Gales, Galles, País de Gales, Walia, Уэльс,"
    " Galler, ウェールズ, 威尔士, Northern Ireland, Nordirland, Irlande du Nord,"
    " Irlanda del Norte, Irlanda del Nord, Irlanda do Norte, Noord-Ierland, Северная Ирландия",
    "HK": "Hongkong, Гонконг, 香港, 홍콩, Hong Kong, Hong-Kong",
    "KP": "North Korea, Nordkorea, Corée du Nord, Corea del Norte, Corea del Nord, 朝鲜, 北韓",
    "KR": "Korea, South Korea, Südkorea, Corée, Corée du Sud, Corea, Corea del Sur,"
    " Corea del Sud, Coreia, Coreia do Sul, Zuid-Korea, Корея, 한국, 南韓, 韩国, 韓国, 남한",
    "LA": "Laos",
    "MK": "Macedonia, Mazedonien, Macédoine, Makedonien, Македония",
    "MM": "Burma, Birma, Birmanie, Birmania, Birmânia",
    "MO": "Macau, 澳门, 澳門, マカオ, 마카오, Макао",
    "NL": "Holland, Holanda, Hollande, Olanda, Holandia, Голландия, Голландія, Hollanda, オランダ,"
    " 荷兰, 荷蘭, the Netherlands, die Niederlande",
    "PS": "Palestine, Palästina, Palestina, Палестина, Filistin, パレスチナ, 巴勒斯坦, 팔레스타인",
    "SZ": "Swaziland, Swasiland",
    "TL": "East Timor, Osttimor",
    "TR": "Turkey, Türkiye, Turkiye",
    "US": "USA, the USA, U.S.A., the States, America, United States of America, Amerika, EEUU,"
    " EE. UU., Stany, США, Америка, アメリカ, 美國, 米国, ABD, Vereinigte Staaten von Amerika,"
    " Stati Uniti d'America, États-Unis d'Amérique, Estados Unidos de América",
    "VA": "Vatican, Vatikan, Vaticano, Watykan, Ватикан, バチカン, 梵蒂冈",
}

CITIES = {
    "AM Yerevan": "埃里温",
    "AU Brisbane": "بريزبان",
    "BE Brugge": "布鲁日",
    "BG Sofia": "索非亚",
    "CN Chengdu": "청두",
    "CN Shenzhen": "シンセン 선전",
    "CN Xi’an": "시안",
    "DE Nuremberg": "نورمبرغ",
    "GR Thessaloníki": "테살로니키",
    "HR Dubrovnik": "두브로브니크 دوبروفنيك",
    "ID Jakarta": "جاكرتا",
    "IT Palermo": "巴勒莫",
    "IT Pisa": "피사",
    "JP Fukuoka": "후쿠오카",
    "JP Hiroshima": "广岛 히로시마",
    "JP Kyoto": "교토",
    "JP Nagoya": "나고야",
    "JP Osaka": "오사카",
    "JP Sapporo": "삿포로",
    "JP Yokohama": "横滨 요코하마",
    "KR Busan": "プサン",
    "KR Incheon": "仁川",
    "KR Jeju City": "済州",
    "MA Marrakesh": "마라케시",
    "NZ Auckland": "奥克兰",
    "PT Porto": "波尔图 포르투",
    "TR Istanbul": "إسطنبول",
    "UA Kyiv": "키이우",
    "US Honolulu": "火奴鲁鲁",
    "US Washington": "华盛顿 華盛頓 ワシントン 워싱턴",
}
