"""The most common passwords of twelve characters and more, and the words that common ones are made of.

Source: the long entries that lead the public lists of leaked passwords (SecLists, "10k most common"), in lower case.
"""

COMMON_PASSWORDS = frozenset(
    """
    000000000000 0123456789ab 102030405060 111111111111 111222333444 112233445566 121212121212 123123123123
    123321123321 12341234123412 1234512345123 123456123456 1234567890 12345678900 123456789000 1234567890123
    12345678901234 123456789012 1234567891011 123456789123 1234567898765 123456789abc 123456789qwe 123456789a123
    123456abcdef 1234abcd1234 123abc123abc 123qwe123qwe 147258369000 147258369147 159357159357 159753159753
    1a2b3c4d5e6f 1q2w3e4r5t6y 1q2w3e4r5t6y7u 1q2w3e4r5t6y7u8i 1qaz1qaz1qaz 1qaz2wsx3edc 1qaz2wsx3edc4rfv 1qazxsw23edc
    741852963000 777777777777 987654321000 987654321987 999999999999 a1b2c3d4e5f6 aaaaaaaaaaaa abababababab
    abc123abc123 abc123456789 abcabcabcabc abcd1234abcd abcd12345678 abcdef123456 abcdefg12345 abcdefghijkl
    abcdefghijklm abcdefghijklmnopqrstuvwxyz administrator administrador adminadmin adminadmin123 adminadminadmin
    asd123asd123 asdasdasdasd asdf1234asdf asdfasdfasdf asdfghjkl123 asdfghjklasd asdfghjklqwe asdfghjklzxcvbnm
    asdfghjklçzx brasilbrasil changeme changemechangeme changemenow changeit changeitnow computer corinthians
    correcthorsebatterystaple default123456 defaultpassword dragondragon flamengo football footballfootball
    helloworld helloworldhello iloveyou iloveyou1234 iloveyoubaby iloveyousomuch ihateyou
    justinbieber kingofkings letmein letmeinletmein letmeinnow letmeinplease liverpoolfc lovelovelove mastermaster
    michaeljordan minhasenha minhasenha123 minhasenhasecreta monkeymonkey motdepasse mypassword mypassword123
    nothingtosee ohmygodohmygod passpasspass passphrase password passwordpassword password1234 password12345
    password123456 passw0rd passw0rd1234 p@ssw0rd p@ssw0rd1234 pa$$w0rd pa$$word princess princessprincess
    q1w2e3r4t5y6 q1w2e3r4t5y6u7i8 qawsedrftgyh qazwsxedc123 qazwsxedcrfv qazwsxedcrfvtgb qqqqqqqqqqqq quilate
    quilatequilate qwe123qwe123 qweasdzxc123 qweasdzxcqwe qweqweqweqwe qwer1234qwer qwerasdfzxcv qwert12345
    qwerty123456 qwertyqwerty qwertyuiop qwertyuiop12 qwertyuiop123 qwertyuiopasdf qwertyuiopasdfghjklzxcvbnm
    rootroot rootrootroot secret secretpassword secretsecret senha senhasenha senhasecreta senhasegura senhaforte
    sennasenna spiderman starwars starwarsstarwars sunshine sunshinesunshine superman supersecret supersenha
    temporario temporary temporarypassword testtest testtesttest test12345678 thisismypassword trocarsenha
    trustno1trustno1 unknown welcome welcomewelcome welcomehome welcomeback whatever whateverwhatever zaq12wsxcde3
    zaq1zaq1zaq1 zxcvbnm12345 zxcvbnmasdfghjkl zxcvbnmzxcvbnm
    """.split()  # noqa: SIM905 - a list of words is read more easily than a list of quotes
)
"""A password is refused when it, or what is left of it without digits and signs at its ends, is in here."""
