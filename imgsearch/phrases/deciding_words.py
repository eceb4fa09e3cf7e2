"""Words that decide whether a name is a place and a number is a year; folded, in many languages."""

from __future__ import annotations

# prepositions of place
PLACE_LEADS = """
    in im en em a ad au aux nel nell_'_ nella nello nei negli nelle all_'_ alla no na nos nas w we
    v ve в во на у i pa
    在 于 في
"""
# between a make and a year that has nothing to do with it: "Boeing 747 in Frankfurt 2016"
PARTING = "in im en na nel nella em au aux we во"
# a name behind these is a place where somebody was: "Wanderung am Tegernsee 2020"
AT = """
    in im at on near am an auf bei beim au aux en sur dans pres na nos nas em nel nella nello sul
    sulla op aan bij nad pod w we przy в во на у возле біля pa vid ved i over under ueber uber sobre
    sopra boven над під durante during before after vor nach avant apres
"""
# they open a title: "Das Boot 1981"
TITLE_ARTICLES = "The Der Die Das Le La Les El Los Las Il Lo Gli Os As Het"
# a number before a name that ends so is a house's: "1910 Elm Street"
STREETS = "street st road rd avenue ave lane drive boulevard blvd"
# before islands that are countries: "auf Kuba"
ISLAND_LEADS = "auf op"
ISLANDS = "IS CU MT CY JM MG LK MV MU SC BS BB CV FJ DO HT TT NZ WS TO PF GL FO"
# "photos from Italy", "a trip to Japan": only after words for pictures and journeys
FROM_TO = """
    from of to aus von nach uit van naar fran till til de du d_' des del della dell_' di da dal
    dalla vers hacia a_la para verso al z ze из от до do
    من إلى
"""
JOURNEYS = """
    photo photos photograph photographs picture pictures pic pics image images snapshot
    snapshots memories views holiday holidays vacation trip journey travel travels honeymoon
    foto fotos bild bilder aufnahmen urlaub reise ausflug erinnerungen urlaubsfotos
    urlaubsbilder photographie photographies vacances voyage souvenirs sejour fotografia
    fotografias imagenes vacaciones viaje recuerdos immagini vacanza vacanze viaggio ricordi
    ferias viagem lembrancas vakantie reis foto's zdjecia zdjecie wakacje podroz wyjazd фото
    фотографии снимки отпуск поездка путешествие відпустка подорож fotograflar fotograf tatil
    gezi semester resa صور صورة رحلة
"""
# may follow a place that is complete: prepositions, articles, conjunctions, particles
SMALL_WORDS = """
    in on at by with without from of during near under over and or for to the a an as after
    before bei mit ohne am im auf aus und oder von vom zur zum nach vor unter uber der die das
    dem den ein eine einem einer beim au aux avec sans de du des la le les l un une et ou par
    pour sur sous dans pendant en el los las con sin y o por para sobre bajo durante una unos al
    del il lo gli i di da dal della dei senza e per su sotto nel nella alla um uma com sem ao
    aos na no nas nos sob het een met zonder op bij van voor te tijdens z ze bez w we pod nad
    przy po do oraz с со без в во на под над при по до и или из у для з із зі та під біля med
    utan pa vid och eller ve ile av fran til og في من مع
"""
# after these a name is a person's, a company's, a dish's
NEVER_BEFORE = """
    air captain miss mister mr mrs ms dr sir lady lord prince princess king queen saint st sankt
    san santa team little new old bank radio royal club fc ac sc cf afc real inter bayern
    borussia university of von van di da de du del hotel cafe restaurant bar college street
    avenue uss hms orient planet lonely fort port mount lake point fashion villa castle style
    like not no the il la el pizza salami salad sauce spaghetti risotto chateau vin bus zoo alla
    with
"""
# likewise before "in": where something comes from
MADE = """
    made born produced manufactured hergestellt geboren gemacht fabrique ne fabriquee hecho
    hecha nacido fatto fatta nato prodotto feito feita nascido gemaakt wyprodukowano urodzony
    сделано сделан родился зроблено tillverkad fodd tillverkat lost
"""
# names of places that are more often people, brands or things
BORNE_BY_PEOPLE = """
    jordan chad israel georgia kenya america holland ireland england scotland wales france cuba
    brazil panama jersey guinea china turkey chile india malta mali oman montenegro dominica
    martinique sofia sophia sydney florence victoria charlotte adelaide alexandria austin dallas
    houston jackson lincoln madison diego santiago lourdes carolina regina nancy chester kent
    orlando salvador leon rosario mercedes brooklyn savannah phoenix eugene milan marsala
    paisley hamilton washington wellington nelson darwin melbourne cleveland denver logan monroe
    raleigh kingston lancaster york preston stanley clayton burton ashton brandon aurora
    valentina camila isabel lucia lucie martin konstanz constance catalina samara alma eva elena
    helena irving virginia oma opa omi papa mama tata baba
    nana carson tyler dakota trinity roma roman marina luna isla
"""
MORE_COMMON = """
    nice cannes ofen jordan napoli brest rot hof halle wald weiden singen leer bergen hagen
    baden regen essen gold haus kiel bremen fur hamburg frankfurt wien berliner krakow orange
    lima cologne champagne bordeaux cognac burgundy porto madeira tangerine cheddar parma angora
    kashmir cashmere java bikini bermuda manila panama damask sardinia macau tulle limerick cork
    troy corona modena siena sienna delft persia camel mercury ford lincoln batman tango samba
    rumba hull crew derby race того чили мали перу ром куба оман бали рига киров орел победа мир
    весна kumasi
"""
# regions: a town somewhere has the name of each, and is not meant
REGIONS = """
    プール 沖縄 北海道 九州 四国 本州 冲绳 日本語 中国語 英語 韓国語 日语 中文 英语 alabama
    alaska arizona arkansas california
    colorado connecticut delaware florida hawaii idaho illinois indiana iowa kansas kentucky
    louisiana maine maryland massachusetts michigan minnesota mississippi missouri montana
    nebraska nevada new_hampshire new_jersey new_mexico north_carolina north_dakota ohio
    oklahoma oregon pennsylvania rhode_island south_carolina south_dakota tennessee texas utah
    vermont virginia west_virginia wisconsin wyoming toscana tuscany toskana toscane sicily
    sicilia sizilien sicile bavaria bayern baviera provence normandy normandie bretagne brittany
    andalusia andalucia andalusien catalonia cataluna catalunya sardegna sardinia sardinien
    corsica corse korsika crete kreta mallorca majorca ibiza tenerife teneriffa bali java
    sumatra borneo siberia сибирь крым lapland lappland scandinavia skandinavien europe europa
    asia asien afrika africa alps alpen alpes alpi andes himalaya sahara balkan patagonia quebec
    ontario alberta manitoba yukon queensland victoria tasmania hokkaido okinawa kyushu galicia
    lombardia lombardy piemonte umbria liguria puglia calabria veneto friuli algarve alentejo
    alsace elsass lorraine burgundy bourgogne saxony sachsen hessen thuringen brandenburg
    holstein schleswig westfalen tirol tyrol karnten steiermark wallis cornwall devon kent essex
    sussex yorkshire highlands kerala rajasthan goa punjab kashmir tibet georgia
"""
# with a bare year these are titles, vintages and models, not days when a photo was taken
NAMED_BY_YEAR = """
    dvd vhs cd lp vinyl cassette record tape brochure catalog catalogue advert advertisement
    reklame publicite publicidad pubblicita publicidade schallplatte disque disco_de_vinilo vinile
    пластинка кассета kaset plak skiva dvds cds lps comic manga anime cover sleeve doll toy lego
    sticker badge patch trophy medal logo mascot glasses shirt jersey computer radio guitar camera
    watch locomotive whisky whiskey beer puppe spielzeug aufkleber abzeichen pokal medaille trikot
    brille poupee jouet autocollant maillot lunettes muneca juguete pegatina medalla camiseta
    bambola giocattolo maglia occhiali boneca brinquedo camisa pop speelgoed lalka zabawka кукла
    игрушка наклеика значок медаль chateau domaine weingut cru cuvee bodega cantina book novel film
    movie song album poster soundtrack series show game wine vintage coin coins penny pennies cents
    dime dimes stamp banknote calendar diary magazine newspaper edition version model odyssey
    classic replica buch roman lied spiel wein jahrgang munze briefmarke kalender zeitschrift
    zeitung ausgabe modell oldtimer livre chanson affiche jeu vin millesime piece timbre calendrier
    journal libro novela pelicula cancion cartel juego vino cosecha moneda sello calendario revista
    periodico romanzo canzone gioco annata francobollo rivista giornale livro filme musica jogo
    vinho safra moeda selo jornal boek spel wijn munt postzegel krant ksiazka powiesc piosenka gra
    wino moneta znaczek kalendarz gazeta czasopismo plakat книга роман фильм песня игра вино монета
    марка календарь журнал газета плакат фільм пісня гра календар kitap sarki oyun sarap takvim
    gazete dergi bok lat mynt frimarke tidning orwell champagne bordeaux chardonnay rioja barolo
    merlot riesling cabernet brunello perignon moet chandon veuve clicquot krug bollinger
    taittinger pommery lafite latour petrus yquem sassicaia tignanello amarone chianti malbec
    quinta rubel rubl ruble rouble рубль taler thaler kreuzer gulden zloty lira lire peseta escudo
    duden opus sancerre chablis pomerol tokaji sauternes barsac cote_rotie chambertin meursault
    montrachet
    pauillac armagnac calvados cognac barbaresco priorat dao madeirawein portwein rotwein weisswein
    phone smartphone laptop telefon handy ordinateur telephone
    telefono ordenador car truck motorcycle motorbike bike tractor auto wagen motorrad traktor
    voiture moto coche macchina carro motocicleta samochod motocykl машина автомобиль мотоцикл авто
    araba bil convertible coupe sedan cabrio pickup suv roadster player console printer scanner
    amplifier amp synthesizer synth keyboard television calculator typewriter telescope binoculars
    lens drone robot walkman turntable radios monde spiegel bild stern focus figaro times guardian
    repubblica pais newsweek playboy vogue elle
"""
# makers of cars, motorcycles, aeroplanes, phones, cameras and programs: a number names the model
MAKES = """
    abarth acura alfa aston audi bentley bmw bugatti buick cadillac chevrolet chevy chrysler
    citroen corvette dacia daewoo daihatsu datsun dodge ducati ferrari fiat ford gmc harley honda
    hummer hyundai infiniti isuzu jaguar jeep kawasaki kia ktm lada lamborghini lancia lexus lotus
    maserati mazda mclaren mercedes mini mitsubishi moskvich mustang camaro nissan oldsmobile opel
    peugeot plymouth pontiac porsche renault rover saab seat simca skoda smart subaru suzuki tesla
    toyota triumph vauxhall vespa volga volkswagen volvo vw wartburg trabant yamaha zaz пежо бмв
    ауди лада жигули ваз газ волга москвич тоиота мазда форд мерседес опель рено ниссан хонда
    boeing airbus cessna beechcraft antonov tupolev ilyushin learjet iphone ipad macbook imac nokia
    samsung galaxy huawei xiaomi sony playstation xbox nintendo canon nikon leica olympus pentax
    fujifilm kodak windows office photoshop autocad excel fifa nba pes madden wwe rolex omega casio
    breitling cartier heuer hublot longines panerai patek seiko swatch tissot apollo soyuz voyager
    terminator cyberpunk fantasia zeiss contax zorki zenit praktica rolleiflex rolleicord hasselblad
    mamiya minolta konica ricoh yashica polaroid gopro dji tamron agfa voigtlander lumix powershot
    coolpix aprilia benelli bsa enfield husqvarna laverda piaggio dnepr zundapp simson mz nsu
    deutz fendt
    claas lanz massey zetor borgward dkw maybach goggomobil isetta messerschmitt ifa barkas panhard
    talbot matra delage autobianchi detomaso avia fso izh иж зил заз уаз зис tofas anadol mahindra
    maruti bajaj byd geely chery haval proton perodua ssangyong hillman embraer bombardier dassault
    fokker junkers heinkel dornier concorde sukhoi mig lenovo thinkpad tatra jawa kamaz uaz maz
    ikarus scania iveco daf mack kenworth peterbilt caterpillar komatsu kubota colt winchester
    mosin mauser luger glock beretta remington smith wesson webley browning walther steyr
    kalashnikov michelin pirelli bridgestone goodyear dunlop hankook bosch makita dewalt stihl
    miele siemens philips braun tefal tupperware lego playmobil duplo barbie mattel hasbro marklin
    faller revell gibson fender marshall roland korg steinway ibanez nike adidas puma reebok asics
    levis gucci prada chanel dior hermes rolls_royce bic parker pelikan montblanc zippo swarovski
    asus acer commodore atari nintendogs sims simcity warcraft battlefield forza tekken simulator
    tudor polonez warszawa syrena blackberry android debian diablo krugerrand godzilla ゴジラ
    springbank karuizawa hakushu yamazaki
    miura dyane 红旗 茅台 五粮液 포니 갤럭시 그랜저
    标致 宝马 奔驰 プジョー トヨタ 奥迪 丰田 本田 福特 马自达 日产 三菱
    ホンダ マツダ 日産 スバル ベンツ 쌍용 대우
"""
# a number after these is a number
NUMBERED = """
    agent agente агент euro copa expo plate locker numberplate kennzeichen year jahr route room
    number no nr num numero nummer numer bus line tram train flight gate page platform highway
    interstate house chapter apartment suite unit zimmer seite linie zug gleis haus wohnung kapitel
    chambre ligne quai habitacion pagina linea puerta camera stanza binario quarto linha kamer
    bladzijde lijn pokoj strona linia комната ауд номер страница линия дом кабинет кімната сторінка
    лінія oda sayfa hat rum sida linje model modell modele modelo modello type typ mark mk version
    level pier dock studio zone sector hangar locomotive lok autobahn carretera strasse street
    avenue road exit channel top under over than about iso f lot booth coupon code pin sku item
    article artikel articulo articolo artigo artykul артикул ref reference invoice receipt order
    rechnung auftrag facture factura fattura faktura счет episode folge aflevering odcinek серия
    bolum avsnitt opus kv bwv vol volume tome tomo ticket class din ansi ieee rfc norm norma norme
    port sherry area district bezirk quartier gebiet block warehouse depot
"""
# likewise where the line says nothing else: "hall 2014", but not "concert hall 2014"
NUMBERED_ALONE = """
    klasse classe clase klasa класс клас raum saal hall halle salon sala salle zaal zal зал зала
    кабинет аудитория аудиторія офис офіс office buro bureau oficina ufficio escritorio kantoor
    biuro ofis kontor sal stand stall table desk seat row shelf box bin drawer slot bay unit ward
    cell cabin tent building tower player bib tisch regal fach schrank etage stock piso piano andar
    verdieping pietro этаж поверх kat vaning mission operation projekt project stuhl band tom
    vagon вагон реис ucus flug vuelo volo voo tramway трамваи tur porta porte puerta deur drzwi
    дверь dvere dor
    season staffel saison temporada stagione сезон sezon sasong
"""
# a number before these counts or measures
COUNTED = """
    people persons men women children soldiers dollars euros euro eur usd pounds yen rubles m km
    cm mm mi mile miles meter meters metre metres ft feet foot kg g lb lbs tons w watt watts mah
    v volt hz mhz ghz kw hp ps px pixel pixels dpi rpm kcal calories steps pieces piece bricks
    years hours minutes seconds degrees leute menschen personen soldaten dollar kilometer stuck
    teile schritte jahre stunden kalorien personnes gens hommes kilometres pas ans heures
    personas hombres metros kilometros piezas pasos anos horas persone uomini metri chilometri
    pezzi passi anni ore pessoas homens quilometros pecas passos mensen mannen stukken stappen
    uur osob ludzi metrow kilometrow sztuk krokow godzin людеи человек метров км м рублеи штук
    шагов метрів рублів кроків kisi adet adim manniskor personer bitar steg series class colours
    colors faces cranes flowers candles roses stars words nights punkte
    worter woorden palabras palavras parole noches noites notti nuits nachte slow слов баллов
    pages seiten paginas pagine stron страниц
"""
STYLES = """
    music musik musique musica muzyka музыка style stil estilo stile styl стиль party fete
    fiesta festa fashion mode moda мода dress kleid robe vestido disco rock pop hits hair
    hairstyle haircut frisur kid kids look outfit car cars cartoon cartoons band show tv sitcom
    game games costume jacket jeans sneakers furniture design decor film movie movies
"""
# singers, bands and writers: "yesterday by the beatles" is a song; and what stands before them
BY = "by von par por di de da av the die les los i"
ARTISTS = """
    beatles paul_mccartney wham george_michael abba queen prince madonna adele coldplay oasis blur
    radiohead nirvana metallica u2 rem r_e_m muse pulp cure smiths clash police genesis yes
    pink_floyd led_zeppelin black_sabbath deep_purple rolling_stones who kinks doors eagles
    fleetwood_mac bee_gees beach_boys carpenters monkees byrds animals simon_and_garfunkel
    bob_dylan neil_young joni_mitchell leonard_cohen elton_john billy_joel four_seasons david_bowie
    rod_stewart phil_collins sting peter_gabriel kate_bush annie_lennox eurythmics depeche_mode
    new_order joy_division duran_duran pet_shop_boys a_ha roxette ace_of_base europe scorpions
    rammstein
    kraftwerk nena falco modern_talking tokio_hotel helene_fischer udo_jurgens udo_lindenberg
    herbert_gronemeyer die_arzte tote_hosen bryan_adams bon_jovi bruce_springsteen guns_n_roses
    aerosmith kiss ac_dc van_halen journey toto boston chicago kansas foreigner asia whitesnake
    michael_jackson janet_jackson whitney_houston mariah_carey celine_dion tina_turner cher
    stevie_wonder marvin_gaye ray_charles aretha_franklin diana_ross supremes nina_simone
    ella_fitzgerald billie_holiday frank_sinatra dean_martin elvis elvis_presley johnny_cash
    dolly_parton willie_nelson taylor_swift katy_perry lady_gaga rihanna beyonce shakira
    britney_spears christina_aguilera justin_bieber justin_timberlake ed_sheeran bruno_mars
    billie_eilish lana_del_rey dua_lipa ariana_grande harry_styles lorde sia pink imagine_dragons
    linkin_park green_day blink_182 foo_fighters red_hot_chili_peppers pearl_jam soundgarden
    smashing_pumpkins arctic_monkeys franz_ferdinand kaiser_chiefs keane travis snow_patrol
    the_killers killers strokes white_stripes daft_punk air moby fatboy_slim chemical_brothers
    edith_piaf charles_aznavour jacques_brel serge_gainsbourg francoise_hardy johnny_hallyday
    stromae indochine zaz mylene_farmer julio_iglesias enrique_iglesias manu_chao alejandro_sanz
    luz_casal mecano adriano_celentano eros_ramazzotti laura_pausini zucchero lucio_battisti
    lucio_dalla fabrizio_de_andre mina caetano_veloso gilberto_gil tom_jobim amalia_rodrigues
    виктор_цои кино алла_пугачева владимир_высоцкии битлз битлы океан_ельзи tarkan sezen_aksu
    orwell george_orwell tolstoy dostoevsky chekhov shakespeare goethe schiller kafka thomas_mann
    stefan_zweig proust hemingway steinbeck faulkner fitzgerald murakami haruki_murakami marquez
    borges tolkien stephen_king agatha_christie ian_mcewan solzhenitsyn aleksandr_solzhenitsyn
"""
