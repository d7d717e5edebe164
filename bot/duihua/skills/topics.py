"""What skills are about, in both languages: one subject a line, its English words and its Chinese ones.

A word of a line stands for its subject wherever it is met, so that a Chinese question finds a skill that is
described in English, and "umbrella" one that tells the weather. English words are compared by their stems.
An indented line goes on with the one before it.
"""

from __future__ import annotations

SUBJECTS = """
weather forecast climate meteorology umbrella sunny cloudy 天气 天氣 气象 氣象 带伞 预报 晴天 多云
rain snow storm shower hail 下雨 下雪 雨天 暴雨 降雨 降水 大雪 雷雨
temperature hot cold degree celsius fahrenheit thermometer 温度 溫度 气温 氣溫 多少度 冷不冷 热不热 几度
    摄氏度 华氏度
wind typhoon hurricane 刮风 台风 颱風 风力 风速 飓风
air pollution smog pm2.5 aqi 空气 空氣 雾霾 污染
sun sunrise sunset dawn dusk uv sunscreen ultraviolet tan 日出 日落 太阳 防晒 紫外线 晒黑
earthquake quake seismic magnitude 地震 震级
time clock hour timezone o'clock 时间 時間 几点 幾點 时区 時區 钟头 时差
date day today weekday calendar 日期 星期几 几号 今天几号 哪天 日历
calculate compute calculator arithmetic math maths sum multiply divide plus minus equation 计算 計算 算一下
    算算 算术 等于 乘以 除以 加上 减去 数学 方程 平方
unit length weight kilometer kilogram mile pound inch foot meter ounce liter gallon 单位 换算 換算 公里 公斤
    英里 英寸 英尺 厘米 盎司 加仑 斤
convert conversion transform into 转换 換成 换成 转成 换算 折合
currency exchange dollar euro yen yuan rmb usd eur gbp jpy cny forex 汇率 匯率 货币 外汇 美元 欧元 日元
    人民币 英镑 港币 兑换
stock share ticker nasdaq equity shares 股票 股价 股市 大盘 股份 A股 港股 美股
fund etf 基金 净值
crypto cryptocurrency bitcoin ethereum btc eth coin 比特币 以太坊 加密货币 虚拟币
gold silver metal 黄金 金价 白银 银价
loan mortgage credit debt installment 贷款 貸款 房贷 月供 按揭 车贷 利率 还款
tax salary wage income payroll 税 个税 工资 薪水 月薪 年薪 薪资 到手 收入
interest saving savings investment invest 利息 存款 理财 投资 复利 储蓄
bill split tip share 账单 帳單 平摊 小费 分摊
spend spending spent expense cost budget ledger bookkeeping 花了 花销 开销 支出 消费 记账 记一笔 记帐 账本
    预算 报销
invoice receipt 发票 發票 收据
bank account balance deposit 银行 銀行 账户 余额 餘額 存折
transfer remit payee pay payment 转账 轉帳 汇款 付款 支付 打钱 打款
price cheap cost expensive discount 价格 價格 多少钱 便宜 贵 价钱 油价 报价 降价 比价
insurance pension 保险 社保 医保 养老金 公积金
lottery jackpot 彩票 开奖 双色球 大乐透 中奖
translate translation interpret 翻译 翻譯 译成 译 怎么说
language french german spanish japanese english chinese korean 语言 法语 德语 西班牙语 日语 英语 英文 中文
    韩语 日文 法文
word meaning mean definition define vocabulary dictionary 单词 意思 含义 词典 字典 词汇 释义 定义 生词
pronounce pronunciation pinyin character 发音 读音 拼音 怎么读 怎么念 笔顺 汉字
synonym antonym thesaurus 近义词 反义词 同义词
idiom proverb saying 成语 成語 谚语 俗语 歇后语
poem poetry verse poet 诗 詩 诗句 诗人 唐诗 宋词 古诗
grammar spelling spell mistake typo proofread 语法 語法 拼写 错别字 校对 病句
summarize summary summarise tldr gist outline 总结 總結 摘要 概括 概要 归纳 讲了什么
rewrite rephrase paraphrase polish tone formal polite 改写 润色 重写 语气 措辞 正式
speech voice aloud audio tts narrate 语音 語音 朗读 配音 念出来 读出来 声音
transcribe transcript recording dictation 转录 转写 录音 听写 转文字 转成文字
ocr scan recognize extract 识别 扫描 提取 文字识别
draw paint picture sketch illustration illustrate 画 畫 绘画 绘制 插画 作画 涂鸦
image picture photo photograph jpg png 图片 圖片 照片 相片 图像 图里 这张图 截图
edit crop resize rotate background retouch 编辑 裁剪 抠图 修图 P图 背景 去掉背景
meme sticker 表情包 梗图
qr barcode 二维码 条形码 条码 扫码
video youtube bilibili clip subtitle 视频 視頻 B站 录像 短视频 字幕
download save fetch 下载 下載 保存
music song singer album artist tune playlist 音乐 音樂 歌曲 歌手 一首 的歌 专辑 听歌 唱 放首
lyric lyrics 歌词 歌詞
podcast radio episode 播客 电台 广播
movie film cinema actor director 电影 電影 影片 影院 演员 导演 票房 主演
tv television series show drama 电视 電視 剧集 电视剧 综艺 节目 频道
book novel author isbn read 书籍 小说 作者 图书 看书 书名 书 本书
library borrow loan 图书馆 借书 借阅 续借
ticket admission 车票 票 门票 机票 余票 购票 买票 抢票
recipe cook cooking dish ingredient bake 菜谱 食谱 做菜 怎么做 做什么菜 烹饪 做饭 食材 红烧
calorie calories nutrition protein carb fat diet 卡路里 热量 营养 蛋白质 脂肪 减脂
restaurant dinner lunch eat eatery cafe food 餐厅 餐廳 饭店 饭馆 吃饭 美食 馆子 好吃的 火锅
book reserve reservation booking 预订 預訂 预约 預約 订位 订座 订一 预定
takeaway takeout delivery deliver rider 外卖 外賣 送餐 点餐 骑手 配送
coffee latte espresso cappuccino tea 咖啡 拿铁 奶茶
train railway rail 火车 火車 高铁 动车 列车 车次 铁路
flight fly plane airline airport airplane 航班 飞机 飛機 机票 飞往 航空 机场 登机 起飞 飞
hotel hostel room accommodation stay lodging night 酒店 旅馆 宾馆 住宿 民宿 客房 入住
cancel cancellation abort 取消 撤销 退订
rent rental hire 租车 租 出租 租赁
car vehicle drive driving 汽车 开车 车辆 驾驶 自驾 轿车
taxi cab uber ride 打车 出租车 网约车 叫车 叫辆车 滴滴 叫个车
bus coach stop 公交 公交车 巴士 班车 公车
subway metro underground line 地铁 地鐵 换乘 轨道交通
route direction directions navigate navigation way 路线 路線 导航 怎么走 怎么去 走路 怎么到 步行
traffic jam congestion accident 路况 堵车 拥堵 堵不堵 交通 事故 封路
park parking garage 停车 停車 车位 停车场
charge charging charger plug electric 充电 充電 充电桩 电动车
fuel gas gasoline petrol diesel 汽油 柴油 加油 油价
plate license violation fine speeding 车牌 车号 违章 罚款 扣分 限行 尾号 超速 罚单
visa passport embassy immigration 签证 簽證 护照 入境 免签 出国
travel trip tour vacation journey itinerary sightseeing 旅游 旅遊 旅行 行程 度假 攻略 出游 自由行
attraction sight scenic museum landmark 景点 景區 景区 博物馆 名胜 故宫 游玩
coordinate coordinates latitude longitude address location geocode 坐标 经纬度 地址 位置 经度 纬度
nearby near around close nearest 附近 周边 周围 最近的 旁边
country capital population nation flag 国家 首都 人口 国旗 面积
package parcel shipment tracking courier express logistics 快递 快遞 包裹 物流 运单 单号 顺丰 寄件
send mail ship post 寄 发送 发给 寄送 邮寄 发
shop shopping buy product store purchase online cheapest 购物 商品 网购 淘宝 京东 买 购买 下单 商店
order orders purchase 订单 訂單 下单
refund return money back 退款 退货 退貨 退换 退钱
coupon voucher promo discount code 优惠券 优惠 折扣 红包 领券 打折
stock inventory warehouse supply 库存 庫存 仓库 存货 缺货
customer client crm buyer 客户 客戶 顾客 买家
lead prospect opportunity 线索 商机 潜在客户
sale sales revenue turnover profit 销售 銷售 营收 收入 业绩 销量 营业额 利润
contract agreement clause terms 合同 合約 协议 条款
law legal statute lawsuit court regulation 法律 法规 律师 案例 诉讼 劳动法 违法 民法
company enterprise firm business registry shareholder 公司 企业 工商 法人 股东 注册资本
patent invention inventor 专利 專利 发明
trademark brand logo 商标 商標 品牌
remind reminder 提醒 叫我 别忘了 记得提醒
alarm wake ring 闹钟 鬧鐘 叫醒 叫我起床 起床
timer countdown stopwatch 倒计时 计时 定时 计时器 分钟后
schedule agenda appointment event calendar 日程 安排 日历 行程安排 日程表
meeting conference call invite 会议 會議 开会 会面 约会 邀请 例会
zoom webinar tencent 视频会议 线上会议 腾讯会议 远程会议
holiday festival vacation 假期 放假 节假日 节日 调休 法定 国庆 春节 假日
lunar zodiac solar 农历 農曆 阴历 黄历 节气 生肖 属相 黄道吉日
task todo chore to-do checklist 待办 任务 任務 清单 要做的事
note memo jot notebook 笔记 筆記 备忘 记下 记录 便签 记一下
habit checkin streak 打卡 习惯 坚持
focus pomodoro concentrate 专注 番茄钟 集中
remember memorize memory keep 记住 記住 别忘 记忆 记得我
recall earlier previous conversation before 之前说 上次 以前说 我说过 说过 提过 聊过 记得吗 还记得
forget erase delete remove 忘掉 忘记 删除 刪除 清除 删掉 忘了
email e-mail mail inbox mailbox gmail outlook 邮件 郵件 邮箱 发信 收件箱 来信
sms text message 短信 簡訊 发消息 消息 信息
phone telephone mobile cell number call 电话 電話 手机 手機 号码 号码 联系方式
contact contacts address-book 联系人 通讯录 聯絡人 联系方式
slack channel team 频道
dingtalk robot webhook 钉钉 釘釘 机器人 群消息
approval approve leave request 审批 请假 批准 申请
post tweet publish twitter share 发帖 发推 推特 发布 发条
weibo trending hot hashtag 微博 热搜 热门 热榜
zhihu question answer 知乎 问答
rss feed subscribe atom 订阅 RSS
news headline headlines latest 新闻 新聞 头条 资讯 时事 消息
search find look google lookup web internet query 搜索 搜尋 查找 搜一下 搜 查一下 查询 上网 网上 百度 检索 找
website page site webpage url link http https 网页 網頁 网站 网址 链接 連結 这个页面
wikipedia encyclopedia 维基百科 百科 百度百科
paper papers scientific research academic arxiv journal 论文 論文 学术 文献 研究
cite citation reference bibtex apa 引用 参考文献 引文
domain whois registrar 域名
dns host record resolve 解析 主机
ip network isp carrier 网络 運營商 运营商 归属地 IP地址
ping reachable latency online down 延迟 连通 打不开 能访问 宕机 访问不了
ssl tls certificate https 证书 證書
python script code program execute 代码 程式 程序 脚本 运行 执行 跑一下
sql database table query db column 数据库 資料庫 数据表 表结构 字段 数据
shell command terminal bash 命令 终端 命令行
file folder directory path workspace 文件 檔案 文件夹 目录 路径
write create add new make 创建 新建 添加 写 写入 新增 生成 做一个 做个
read open show display 读取 打开 读一下 看看 查看 显示
source repository repo codebase 源码 仓库 代码库 源代码
github pull request pr merge issue 合并 拉取请求 PR
gitlab pipeline ci build 流水线 构建
jira ticket bug 工单 缺陷
deploy deployment release rollout production staging 部署 发布 上线 生产环境
kubernetes pod container k8s cluster 容器 集群
server cpu memory disk load metric monitor 服务器 伺服器 内存 磁盘 负载 监控
log error exception stacktrace 日志 日誌 报错 错误 异常
incident outage alert oncall page 故障 事故 值班 告警
regex regular expression pattern 正则 表达式
json format parse validate xml 格式化 解析 校验 格式
encode decode base64 encoding 编码 解码
hash md5 sha checksum 哈希 校验和 摘要
password passphrase credential 密码 密碼 口令
color colour palette hex hue 颜色 配色 色彩 色号
random dice coin roll flip 随机 骰子 硬币 抽签 掷 抛 抽一个
light lamp bulb lights brightness 灯 燈 灯光 开灯 关灯 亮度 台灯
heating heater thermostat air-conditioner conditioning ac 空调 冷氣 暖气 制冷 调到 制热
vacuum sweep cleaner clean robot 扫地 扫地机器人 吸尘 打扫 清扫
door lock unlock gate 门锁 开门 锁门 门 大门
camera monitor surveillance cctv 摄像头 监控 门口
pet cat dog feed feeder 宠物 喂猫 喂狗 猫粮 狗粮 喂食 猫 狗
laundry wash washing washer 洗衣 洗衣机 洗衣服
step steps walk pedometer walked 步数 走了多少 运动手环 走路 几步
sleep slept bed insomnia 睡眠 睡觉 睡了 失眠 睡得
exercise workout fitness gym train training muscle strength run 健身 锻炼 训练 运动 跑步 减肥 增肌
bmi obese overweight slim weight 体重 体脂 身高 胖 标准体重
medicine drug pill tablet dose dosage ibuprofen 药 药品 吃药 药物 用药 副作用 剂量
symptom symptoms ache pain fever cough headache sick ill 症状 头疼 头痛 发烧 咳嗽 肚子疼 不舒服 生病 疼
doctor hospital clinic physician dentist 医生 醫生 医院 醫院 挂号 看病 就诊 门诊 看牙 科室
period menstrual cycle menstruation 月经 例假 姨妈 生理期 经期
blood pressure heart pulse rate 血压 心率 脉搏 高压 低压
vaccine vaccination jab shot flu 疫苗 接种 打针 流感
job career position vacancy hiring employment opening 工作 职位 招聘 求职 岗位 找工作
resume cv curriculum 简历 履歷
course class lesson timetable classroom 课程 课表 上课 什么课 教室 有课
exam score grade test result 考试 考試 成绩 分数 考了 排名
homework exercise physics solve problem algebra 作业 习题 题目 解题 物理 这道题 求解
flashcard memorize vocabulary learn study 背单词 单词卡 学习 复习 抽认卡
quiz trivia question game 测验 问答 知识竞赛 考考我 出题
horoscope zodiac astrology sign 星座 运势 白羊座 狮子座 天蝎座 双鱼座 金牛座 处女座
name baby naming 起名 取名 名字 宝宝
gift present birthday occasion surprise 礼物 禮物 送什么 生日 送礼
joke funny laugh humor 笑话 笑話 段子 搞笑 好笑 幽默 逗我
sport football soccer basketball nba league match game score team baseball tennis 比赛 球赛 足球 篮球 比分
    英超 赛果 球队 联赛
game play chess puzzle 游戏 遊戲 玩 下棋
document pdf word docx report 文档 文檔 报告 报表
spreadsheet excel csv table 表格 电子表格
presentation slides powerpoint 幻灯片 演示文稿 PPT
chart plot graph diagram visualize 图表 折线图 柱状图 可视化 流程图
map maps 地图 地圖
text article passage paragraph 文本 文章 文字 段落 这段话
stock-market market index 行情 指数
housing house apartment flat property estate 房子 房产 房价 租房 公寓 二手房
school university college student teacher 学校 大学 老师 学生 高考
government id citizen certificate permit 政府 身份证 办证 证件 政务
electricity water utility meter 电费 水费 燃气 缴费 用电
charity donate donation 捐款 公益
history historical event 历史 历史上的今天
science physics chemistry biology 科学 化学 生物
health healthy wellness 健康 养生 体检
child kid children baby toddler 孩子 小孩 儿童 婴儿
backup sync restore 备份 同步 恢复
user account login permission 用户 登录 账号 权限
"""
