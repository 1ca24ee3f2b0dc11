//! Checking the answers, and the end.

texts! {
    step_check: "4/5 確認", "4/5 たしかめる", "Step 4 of 5: check";
    check_title: "入力した内容を確かめてください", "まちがいが ないか 見てください", "Check your answers";
    check_mail: "メールアドレス", "メールアドレス", "E-mail address";
    check_days: "期間", "いつ", "Days";
    check_rooms: "フロア・部屋", "階・部屋", "Floors and rooms";
    check_change: "変更する", "なおす", "Change";
    check_more: "ほか", "ほかに", "and more:";
    check_notice_title: "確かめてください", "見てください", "Please check";
    notice_elsewhere: "住所が県外です。県外の施設では、この県からのお知らせが役に立たないことがあります。正しければ、このまま登録できます。", "住所が ほかの 県です。正しければ、このまま 登録できます。", "The address is in another prefecture. If that is right, you can register it all the same.";
    notice_same_address: "同じ住所の施設がすでに登録されています。同じ施設を二重に登録していないか確かめてください。別の施設なら、このまま登録できます。", "同じ 住所の 登録が もう あります。べつの お店なら、このまま 登録できます。", "A place with this address is registered already. If yours is another one, you can register it all the same.";
    notice_postcode_unknown: "郵便番号が見つかりません。正しければ、このまま登録できます。", "郵便番号が 見つかりません。正しければ、このまま 登録できます。", "The postcode isn't known. If it is right, you can register it all the same.";
    notice_postcode_differs: "郵便番号と住所の都道府県が違います。正しければ、このまま登録できます。", "郵便番号と 住所が ちがいます。正しければ、このまま 登録できます。", "Postcode and address are in different prefectures. If that is right, you can register it all the same.";
    notice_changed: "別のタブで内容が変わりました。もう一度確かめてから登録してください。", "べつの タブで かわりました。もう一度 見てください。", "The answers were changed in another tab. Check them once more.";
    check_button: "この内容で登録する", "登録する", "Register";

    done_title: "登録しました", "登録しました", "Your place is registered";
    done_reference: "受付番号", "番号（ばんごう）", "Reference number";
    done_mail: "受付番号をメールでも送りました。", "番号を メールでも 送りました。", "We have also sent you the reference number by e-mail.";
    done_codes_title: "場所のコード", "場所（ばしょ）の コード", "Place codes";
    done_codes_text: "コードはもう使えます。来た人がこのコードを県のLINEアカウントに送ると、その場所にいたことが記録されます。", "コードは もう 使えます。来た 人が この コードを 県（けん）の LINEに 送（おく）ると、記録（きろく）します。", "The codes work already. Visitors who send one to the prefecture's LINE account are recorded at that place.";
    done_place: "場所", "場所（ばしょ）", "Place";
    done_code: "コード", "コード", "Code";
    done_next_title: "次にすること", "つぎに すること", "What to do next";
    done_next_1: "入口やテーブルなど、来た人の目に入る場所にコードを掲示してください。同じコードを何枚掲示してもかまいません。", "来た 人が 見える ところに コードを はってください。何枚（なんまい） はっても いいです。", "Put the codes where visitors see them: at the entrance, on tables. You may put up several copies of one code.";
    done_next_2: "フロアや部屋ごとに、その場所のコードを掲示してください。", "階や 部屋ごとに、その 場所の コードを はってください。", "Each floor and room has its own: put up the one that stands beside its name.";
    done_again: "別の施設を登録する", "ほかの お店を 登録する", "Register another place";
    done_again_hint: "種類・電話番号・フロアや部屋の名前を引き継いで始めます。", "同じ ところは 書かなくて いいです。", "Kind, phone number and the names of floors and rooms are taken over.";
    done_end: "登録を終える（このブラウザーから退出する）", "おわる", "Finish, and leave this browser signed out";
}
